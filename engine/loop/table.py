# mypy: disable-error-code="no-untyped-call, attr-defined"
"""A table: the bare address of an array's first row, as compiled code passes it from function to function.

numba passes an array as seven words; ten of them in each call of a deep tree cost more than what the calls do. A table
is one word. It knows no length: the loop keeps lengths in the account and the counts. In plain Python it is the array.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model
from numba.np.arrayobj import make_array


class Table(types.Type):
    """Rows of `dtype` (a record or an int64) from an address on."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Table({dtype})")

    @property
    def mangling_args(self) -> tuple[str, tuple[Any, ...]]:
        """Short symbols: the names of record types are long."""
        return "Table", (self._code,)


@register_model(Table)
class TableModel(models.PrimitiveModel):
    """One pointer."""

    def __init__(self, dmm: Any, fe_type: Table) -> None:
        super().__init__(dmm, fe_type, ir.IntType(8).as_pointer())


def _table(typing_context: Any, array: Any) -> Any:
    """The table of a C-contiguous array; the caller keeps the array alive."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = make_array(sig.args[0])(context, builder, args[0]).data
        return builder.bitcast(data, ir.IntType(8).as_pointer())

    return Table(array.dtype)(array), build


table: Any = intrinsic(_table)


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if len(args) == 2 and isinstance(args[0], Table) and isinstance(args[1], types.Integer):
            return signature(args[0].dtype, args[0], types.intp)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        if len(args) == 3 and isinstance(args[0], Table) and isinstance(args[1], types.Integer):
            return signature(types.none, args[0], types.intp, args[0].dtype)
        return None


def _address(context: Any, builder: Any, rows: Table, base: Any, index: Any) -> Any:
    size = context.get_abi_sizeof(context.get_data_type(rows.dtype))
    offset = builder.mul(index, context.get_constant(types.intp, size))
    return builder.gep(base, [offset], source_etype=ir.IntType(8))


@lower_builtin(operator.getitem, Table, types.intp)
def _get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    rows = sig.args[0]
    address = _address(context, builder, rows, *args)
    if isinstance(rows.dtype, types.Record):
        return builder.bitcast(address, context.get_value_type(rows.dtype))
    return builder.load(builder.bitcast(address, context.get_value_type(rows.dtype).as_pointer()))


@lower_builtin(operator.setitem, Table, types.intp, types.Any)
def _set(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    rows, (base, index, value) = sig.args[0], args
    address = _address(context, builder, rows, base, index)
    if isinstance(rows.dtype, types.Record):
        size = context.get_abi_sizeof(context.get_data_type(rows.dtype))
        cgutils.raw_memcpy(builder, address, value, context.get_constant(types.intp, size), 1)
    else:
        builder.store(value, builder.bitcast(address, context.get_value_type(rows.dtype).as_pointer()))
    return context.get_dummy_value()
