# mypy: disable-error-code="no-untyped-call, misc, attr-defined"
"""A compiler for functions that are only ever inlined: no machine code of their own, and no optimisation twice.

numba makes every function it compiles ready to be called from Python: optimised to the end and turned into machine
code. What a loop inlines needs neither; its text is optimised where it ends up, in the loop. That is half of the time
a loop takes to compile.
"""

from __future__ import annotations

from typing import Any

from numba import _dynfunc
from numba.core import funcdesc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder, _LowerResult
from numba.core.compiler_machinery import LoweringPass, register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import NativeLowering


class InnerLibrary(JITCodeLibrary):
    """Code that waits to be linked into its callers."""

    def _optimize_final_module(self) -> None:
        """Left to the caller's."""

    def _finalize_specific(self) -> None:
        """No machine code."""


@register_pass(mutates_CFG=True, analysis_only=False)
class InnerLowering(LoweringPass):
    """numba's lowering up to LLVM's text."""

    _name = "tapedeck_inner_lowering"

    def __init__(self) -> None:
        LoweringPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Lower the function and make it known to its callers."""
        context, flags = state.targetctx, state.flags
        state.library = InnerLibrary(context.codegen(), state.func_id.func_qualname)
        described = funcdesc.PythonFunctionDescriptor.from_specialized_function(
            state.func_ir,
            state.typemap,
            state.return_type,
            state.calltypes,
            mangler=context.mangler,
            inline=flags.forceinline,
            noalias=flags.noalias,
            abi_tags=[flags.get_mangle_string()],
        )
        with context.push_code_library(state.library):
            lower = Lower(context, state.library, described, state.func_ir, metadata=state.metadata)
            lower.lower()

        # numba wants a C function for each: one without an address, as it makes itself where nothing calls from Python
        name = described.qualname.rpartition(".")[2]
        inner = _dynfunc.make_function(described.lookup_module(), name, "inlined", 0, lower.env, (state.library,))
        context.insert_user_function(inner, described, [state.library])
        state["cr"] = _LowerResult(described, lower.call_helper, cfunc=inner, env=lower.env)
        return True


class InnerCompiler(CompilerBase):
    """numba's passes for nopython code with `InnerLowering` in the place of the last."""

    def define_pipelines(self) -> list[Any]:
        """See `CompilerBase`."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.passes = [
            (InnerLowering, text) if found is NativeLowering else (found, text) for found, text in passes.passes
        ]
        passes._finalized = False
        passes.finalize()
        return [passes]
