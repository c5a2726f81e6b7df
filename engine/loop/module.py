"""Generated loops: one module per set of kernels, named by the hash of everything in it, kept in the cache folder.

What no kernel touches is compiled once, in a core module; the module of a loop names its core by hash. The first import
compiles; later ones, in any process, load machine code from numba's cache beside the module. Files are never rewritten,
so the cache's stamp stays good; of two processes that write the same module at once the first wins.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from engine.loop import advance, bars, commands, lane_bars, records
from engine.loop.day import end_day
from engine.loop.exits import protect
from engine.loop.fills import match
from engine.loop.outputs import put_mark, row_fits
from engine.loop.source import Inliner, plain
from engine.loop.table_mark import table
from engine.strategies.strategy import Strategy
from events.errors import InvalidInput, ProcessFailed
from events.rows import BAR_DTYPE, DENIAL_DTYPE, FILL_DTYPE, MARK_DTYPE, MARKET_DTYPE, ORDER_DTYPE, SIGNAL_DTYPE

# Functions that loops call and no kernel touches.
CORE = (row_fits, match, protect, advance.carry_out, end_day, put_mark)

TABLE = {table: "table"}
COMPILERS = ("table", "inner")  # files beside this one that turn the text into machine code

HEADER = """import math

import numpy as np
from numba import from_dtype, njit, types

from engine.loop.inner import InnerCompiler
from engine.loop.table import table

INNER = {"nogil": True, "_nrt": False, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(function):
    return njit(**INNER, pipeline_class=InnerCompiler)(function)


def inside(function):
    return njit(**INNER, pipeline_class=InnerCompiler, forceinline=True)(function)


def kept(function):
    return njit(**INNER, cache=True)(function.py_func)


def rows_of(descr, readonly=False):
    return types.Array(from_dtype(np.dtype(descr)), 1, "C", readonly=readonly)


"""
PLAIN = """import math

import numpy as np


def compiled(function):
    return function


inside = table = compiled


"""

LOOPS_KEPT = 64  # loops that a process remembers without making their text again
_lock = threading.RLock()


@dataclass(frozen=True, slots=True)
class Loop:
    """A compiled loop and the order of its kernels. `code_hash` is what decisions are comparable under."""

    strategies: tuple[str, ...]
    code_hash: str
    advance: Any
    act: Any


def load_loop(strategies: Sequence[Strategy], intervals: bool = False) -> Loop:
    """The compiled loop of a set of strategies, in order of id; compiles where the cache has none.

    `intervals`: the one that makes bars for lanes with an interval.

    Raises:
        InvalidInput: a kernel uses what a decision may not use, or numba cannot compile it.
        ProcessFailed: the cache folder cannot be written.
    """
    return _loaded(tuple(by_id(strategies)), intervals)


@functools.cache
def core() -> ModuleType:
    """The core module: `act`, `expand` and what loops call of it."""
    return _import("core", core_source())


@functools.lru_cache(maxsize=LOOPS_KEPT)
def _loaded(ordered: tuple[Strategy, ...], intervals: bool) -> Loop:
    from numba.core.errors import NumbaError

    text = loop_source(ordered, intervals)
    shared = core()  # the loop's module imports it by name
    try:
        module = _import("loop", text)
    except NumbaError as error:
        names = ", ".join(strategy.id for strategy in ordered)
        raise InvalidInput(f"The kernels of {names} do not compile: {error}", field="kernel") from error
    return Loop(
        strategies=tuple(strategy.id for strategy in ordered),
        code_hash=text_hash(text),
        advance=module.advance,
        act=shared.act,
    )


def code_hash_of(strategies: Sequence[Strategy], intervals: bool = False) -> str:
    """The hash of loop and kernels without compiling anything."""
    return _hashed(tuple(by_id(strategies)), intervals)


@functools.lru_cache(maxsize=LOOPS_KEPT)
def _hashed(ordered: tuple[Strategy, ...], intervals: bool) -> str:
    return text_hash(loop_source(ordered, intervals))


def is_compiled(strategies: Sequence[Strategy], intervals: bool = False) -> bool:
    """Whether numba's cache has machine code of this loop: then loading it takes a fraction of a second."""
    name = _module_name("loop", loop_source(by_id(strategies), intervals))
    return any((cache_folder() / "__pycache__").glob(f"{name}.advance-*.nbc"))


def by_id(strategies: Sequence[Strategy]) -> list[Strategy]:
    """The order of kernels in a loop."""
    return sorted(strategies, key=lambda strategy: strategy.id)


def loop_source(strategies: Sequence[Strategy], intervals: bool = False) -> str:
    """The text of the module with the loop of these kernels.

    Raises:
        InvalidInput: a kernel uses what a decision may not use.
    """
    memory = [dtype for strategy in strategies for dtype in (strategy.state, strategy.params_dtype())]
    memory += [records.LANE_BAR_DTYPE] if intervals else []
    arguments = [
        _rows(MARKET_DTYPE, readonly=True),
        "types.int32[::1]",
        _books(),
        _out(),
        _rows(records.INTENT_DTYPE),
        _tuple([_rows(dtype) for dtype in memory]),
    ]
    names = {function: function.__name__ for function in CORE}
    imports = f"from {_module_name('core', core_source())} import {', '.join(names.values())}\n\n\n"
    body = _loop_body(strategies, names, intervals)
    return HEADER + imports + _declared(strategies) + body + _entry("advance", arguments)


def _declared(strategies: Sequence[Strategy]) -> str:
    """What strategies declare beside their kernels and decides: in the text, and so in the hash."""
    lines = [f"# {one.id}: kinds {one.kinds}, direction {one.direction}" for one in strategies]
    return "\n".join(lines) + "\n\n\n"


@functools.cache
def core_source() -> str:
    """The text of the core module: what every loop shares, and the commands."""
    inliner = Inliner(TABLE)
    names = [inliner.add(function) for function in (*CORE, commands.act, bars.expand)]
    keeps = "\n".join(f"{name} = kept({name})" for name in names[: len(CORE)])
    act = _entry("act", [_books(), _out(), _rows(records.COMMAND_DTYPE)])
    expand = _entry("expand", [_rows(BAR_DTYPE, readonly=True), _rows(MARKET_DTYPE)])
    return HEADER + inliner.text() + act + expand + keeps + "\n"


def plain_module(strategies: Sequence[Strategy], intervals: bool = False) -> ModuleType:
    """The same functions as plain Python: the twin that compiled code is tested against."""
    shared, module = ModuleType("plain_core"), ModuleType("plain_loop")
    inliner = Inliner(TABLE)
    entries = [inliner.add(function) for function in (commands.act, bars.expand)]
    exec(compile(PLAIN + inliner.text(), "<plain core>", "exec"), shared.__dict__)
    exec(compile(PLAIN + _loop_body(by_id(strategies), {}, intervals), "<plain loop>", "exec"), module.__dict__)
    module.__dict__.update({name: shared.__dict__[name] for name in entries})
    return module


def text_hash(text: str) -> str:
    """Hash of a module's text and of what turns it into machine code: 32 hex digits."""
    return blake2b((_compilers() + text).encode(), digest_size=16).hexdigest()


@functools.cache
def _compilers() -> str:
    """Told without importing numba: a process that plans sessions names their code and runs none."""
    sources = [Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8") for name in COMPILERS]
    return f"numba {importlib.metadata.version('numba')} numpy {np.__version__} {''.join(sources)}\n"


def cache_folder() -> Path:
    """Where generated loops are kept: `TAPEDECK_CACHE_DIR`, else `tapedeck` in the user's cache folder; made here.

    Raises:
        ProcessFailed: it cannot be made.
    """
    given = os.environ.get("TAPEDECK_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(given or Path(home) / "tapedeck") / "loops"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None
    return folder


def _loop_body(strategies: Sequence[Strategy], names: dict[Any, str], intervals: bool) -> str:
    inliner = Inliner({**TABLE, plain(advance.call_kernel): "call_kernel", **names}, decorator="inside")
    kernels = [inliner.add(strategy.kernel, f"kernel_{strategy.id}") for strategy in strategies]
    inliner.put(_call_kernel(kernels))
    if intervals:
        inliner.replace(advance.step, inliner.add(lane_bars.step_with_bars))
    inliner.add(advance.advance)
    return inliner.text()


def _call_kernel(kernels: Sequence[str]) -> str:
    calls = [
        f"{kernel}(row, market, lane, memory[{2 * at}][slot], memory[{2 * at + 1}][slot], intents)"
        for at, kernel in enumerate(kernels)
    ]
    lines = ["@inside", "def call_kernel(row, market, lane, intents, memory):", "    slot = lane['slot']"]
    if len(calls) > 1:
        lines.append("    which = lane['strategy']")
        for at, call in enumerate(calls[:-1]):
            lines += [f"    if which == {at}:", f"        return {call}"]
    return "\n".join([*lines, f"    return {calls[-1]}"])


def _entry(name: str, arguments: Sequence[str]) -> str:
    listed = ",\n    ".join(arguments)
    return (
        f"\n\nSIGNATURE = types.int64(\n    {listed},\n)\n"
        f'{name} = njit(SIGNATURE, nogil=True, _nrt=False, error_model="numpy", cache=True)({name}.py_func)\n'
    )


def _books() -> str:
    dtypes = (records.INSTRUMENT_DTYPE, records.LANE_DTYPE, records.WORKING_DTYPE, records.ACCOUNT_DTYPE)
    return _tuple([_rows(dtype) for dtype in dtypes])


def _out() -> str:
    kinds = (SIGNAL_DTYPE, ORDER_DTYPE, FILL_DTYPE, DENIAL_DTYPE, MARK_DTYPE)
    return _tuple([*(_rows(dtype) for dtype in kinds), "types.int64[::1]"])


def _rows(dtype: np.dtype, readonly: bool = False) -> str:
    return f"rows_of({dtype.descr!r}{', True' if readonly else ''})"


def _tuple(parts: Sequence[str]) -> str:
    return "types.Tuple((" + ", ".join(parts) + ",))"


def _module_name(kind: str, text: str) -> str:
    return f"tapedeck_{kind}_{text_hash(text)}"


def _import(kind: str, text: str) -> ModuleType:
    name = _module_name(kind, text)
    with _lock:
        if name in sys.modules:
            return sys.modules[name]
        path = cache_folder() / f"{name}.py"
        _write_once(path, text)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module


def _write_once(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        draft.write_text(text)
        try:
            os.link(draft, path)
        except FileExistsError:
            if path.read_text() != text:  # cut short by a full disk or a kill
                os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path.parent, error) from None


def _unwritable(folder: Path, error: OSError) -> ProcessFailed:
    return ProcessFailed(
        f"The cache folder {folder} cannot be written: {error}.", hint="Set TAPEDECK_CACHE_DIR to one that can."
    )
