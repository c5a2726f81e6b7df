"""The decision loop of one session: rows and commands in, decisions out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from engine.loop import snapshot
from engine.loop.bar_path import BarPath
from engine.loop.before_start import begin, code_with_start, rows_before
from engine.loop.commands import CommandKind
from engine.loop.lengths import Lengths
from engine.loop.module import Loop, code_hash_of, is_compiled, load_loop
from engine.loop.outputs import COUNTS, COUNTS_SIZE, ROOM, TOTAL
from engine.loop.records import ACCOUNT_DTYPE, COMMAND_DTYPE, INTENTS_MAX
from engine.loop.spec import LoopSpec, Memory, build_memory
from engine.strategies.strategy import Strategy
from events.errors import Bug
from events.frames import Section
from events.rows import (
    DECISION_KINDS,
    DENIAL_DTYPE,
    FILL_DTYPE,
    MARK_DTYPE,
    MARKET_DTYPE,
    ORDER_DTYPE,
    SIGNAL_DTYPE,
    OrderKind,
    Rows,
    Side,
    TimeInForce,
)

OUT_DTYPES = (SIGNAL_DTYPE, ORDER_DTYPE, FILL_DTYPE, DENIAL_DTYPE, MARK_DTYPE)
ORDINALS = ("signals", "orders", "fills", "denials", "marks")  # of the account, in DECISION_KINDS order
NOTHING = (b"",) * len(OUT_DTYPES)
EMPTY = tuple(np.frombuffer(b"", dtype) for dtype in OUT_DTYPES)


class Answer(IntEnum):
    """What became of a command."""

    DONE = 0
    UNCHANGED = 1  # it was so already
    NO_ORDER = 2  # no working order has this number
    DENIED = 3  # a denial row says why
    TOO_MUCH = 4  # a venue reports more than is left of the order


@dataclass(frozen=True, slots=True)
class Decisions:
    """What some rows or one command led to: read-only copies, in order; `first` is the ordinal of each kind's first."""

    signals: Rows
    orders: Rows
    fills: Rows
    denials: Rows
    marks: Rows
    first: tuple[int, int, int, int, int]

    def __bool__(self) -> bool:
        return any(len(rows) for rows in self.kinds())

    def kinds(self) -> tuple[Rows, ...]:
        """The rows of each kind in DECISION_KINDS order."""
        return (self.signals, self.orders, self.fills, self.denials, self.marks)

    def sections(self) -> tuple[Section, ...]:
        """Frame sections of the kinds that have rows."""
        kinds = zip(DECISION_KINDS, self.kinds(), self.first, strict=True)
        return tuple(Section(kind, rows, first) for kind, rows, first in kinds if len(rows))


@dataclass(frozen=True, slots=True)
class HandOrder:
    """An order by hand. `stop_price` is the offset of a trailing order."""

    lane: int
    side: Side
    quantity: float
    kind: OrderKind = OrderKind.MARKET
    price: float = 0.0
    stop_price: float = 0.0
    time_in_force: TimeInForce = TimeInForce.GTC


@dataclass(frozen=True, slots=True)
class VenueFill:
    """An execution as a venue reports it; `fee` in quote currency."""

    order: int
    price: float
    quantity: float
    fee: float
    maker: bool


class DecisionLoop:
    """One session's records and the compiled functions over them.

    `advance`, `act` and their arguments are plain arrays, so a call releases the GIL for its whole length. One loop is
    used by one thread at a time.
    """

    def __init__(
        self, spec: LoopSpec, strategies: Mapping[str, Strategy], *, loop: Loop | None = None, capacity: int = 4096
    ) -> None:
        self.spec = spec
        self._loop = loop or loop_for(spec.strategies, strategies, spec.intervals)
        self._memory = build_memory(spec, self._loop.strategies, strategies)
        self._account = self._memory.account[0]
        self._out = _outputs(self._memory, capacity)
        self._counts = self._out[COUNTS]
        self._raw = tuple(rows.view(np.uint8) for rows in self._out[:COUNTS])
        self._ordinal_words = _words(self._memory.account, ORDINALS)
        self._command = np.zeros(1, COMMAND_DTYPE)
        self._first = (0, 0, 0, 0, 0)
        self._path = BarPath(len(spec.instruments))
        self._lengths = Lengths(spec)
        self.consumed = 0  # rows that the last `advance` read, those of other instruments among them
        self.read_with = np.zeros(
            0, np.intp
        )  # of each input of the last `advance_bars`: the bar with which it was read

    # --- what it is -----------------------------------------------------------------------------------------------

    @property
    def code_hash(self) -> str:
        """Decisions are comparable under one code hash."""
        return code_with_start(self._loop.code_hash, self.spec.trade_from_ns)

    @property
    def inputs(self) -> int:
        """Input rows read so far: the ordinal of the next."""
        return int(self._account["input"])

    @property
    def failed(self) -> int:
        """Code of the kernel that failed, 0 where none did."""
        return int(self._account["failed"])

    @property
    def failed_lane(self) -> int:
        """Lane of the kernel that failed."""
        return int(self._account["failed_lane"])

    @property
    def before_start(self) -> bool:
        """Whether no row at which the session may trade was read yet."""
        return bool(self._account["loop_ns"] < self.spec.trade_from_ns)

    @property
    def equity(self) -> float:
        """Cash and positions at last prices, quote currency."""
        return float(self._account["equity"])

    @property
    def account(self) -> Rows:
        """A copy of the account, ACCOUNT_DTYPE[1]."""
        return self._memory.account.copy()

    @property
    def lanes(self) -> Rows:
        """A copy of the lanes; behind those of the spec one for orders by hand on each instrument."""
        return self._memory.lanes.copy()

    @property
    def instruments(self) -> Rows:
        """A copy of the instruments' records, in the order of the spec."""
        return self._memory.instruments.copy()

    @property
    def working(self) -> Rows:
        """A copy of the working orders, in order-number order."""
        return self._memory.working[: int(self._account["working"])].copy()

    def hand_lane(self, instrument: int) -> int:
        """Lane for orders by hand on an instrument, by its place in the spec."""
        return len(self.spec.lanes) + instrument

    # --- rows -----------------------------------------------------------------------------------------------------

    def advance(self, rows: Rows) -> Decisions:
        """Read MARKET_DTYPE rows; give what they led to. Stops before the row at which a kernel fails (`failed`)."""
        if rows.dtype != MARKET_DTYPE or rows.ndim != 1:
            raise Bug(f"The loop reads market rows, not {rows.dtype}.")
        memory, out, own = self._memory, self._out, self._memory.memory
        rows = np.ascontiguousarray(rows)
        read = self._read_before_start(rows) if self.spec.trade_from_ns and self.before_start else 0
        parts: list[tuple[bytes, ...]] = []
        while True:
            read += self._loop.advance(rows[read:], memory.lookup, memory.books, out, memory.intents, own)
            if read == len(rows) or self._account["failed"] != 0:
                break
            parts.append(self._drained())
        self.consumed = read
        if parts:
            parts.append(self._drained())
            return self._decisions(tuple(b"".join(kind) for kind in zip(*parts, strict=True)))
        return self._decisions(self._drained() if self._counts[TOTAL] else NOTHING)

    def _read_before_start(self, rows: Rows) -> int:
        """Read what lies before the start of trading; nothing of it is kept but what kernels and market know."""
        memory, read = self._memory, 0
        before, until = self._ordinal_words.copy(), rows_before(rows, memory.lookup, self.spec)
        while read < until and self._account["failed"] == 0:
            part = rows[read:until]
            read += self._loop.advance(part, memory.lookup, memory.books, self._out, memory.intents, memory.memory)
            self._counts[:ROOM] = 0
            self._ordinal_words[:] = before
        if read == until < len(rows):
            begin(memory)
        return read

    def advance_bars(self, bars: Rows) -> Decisions:
        """Read BAR_DTYPE rows, each as four inputs, in order of time; see `engine.loop.bar_path`.

        `waiting` inputs are left for later bars. `consumed` counts bars, up to that with which a kernel failed.

        Raises:
            InvalidInput: bars that are no whole part of a lane's interval.
        """
        lookup = self._memory.lookup
        numbers = np.minimum(bars["instrument"], len(lookup) - 1).astype(np.intp)
        places = np.where(bars["instrument"] < len(lookup), lookup[numbers], -1)
        mine = np.flatnonzero(places >= 0)
        self._lengths.check(bars[mine], places[mine])
        rows, read_with = self._path.take(bars[mine], places[mine])
        self.read_with = mine[read_with]
        decisions = self.advance(rows)
        self.consumed = int(self.read_with[self.consumed]) if self.consumed < len(rows) else len(bars)
        return decisions

    @property
    def waiting(self) -> int:
        """Inputs of bars that were taken in and are not read yet."""
        return self._path.waiting

    def catch_up(self) -> Decisions:
        """Read what waits: before a command acts, before rows that are no bars, and at the end."""
        return self.advance(self._path.rest())

    # --- between rows ---------------------------------------------------------------------------------------------

    def submit(self, order: HandOrder) -> tuple[Answer, Decisions]:
        """An order by hand; DONE or DENIED."""
        return self._act(
            CommandKind.SUBMIT,
            lane=order.lane,
            side=order.side,
            quantity=order.quantity,
            order_kind=order.kind,
            price=order.price,
            stop_price=order.stop_price,
            time_in_force=order.time_in_force,
        )

    def cancel(self, order: int) -> tuple[Answer, Decisions]:
        """Cancel a working order; DONE or NO_ORDER."""
        return self._act(CommandKind.CANCEL, order=order)

    def cancel_all(self) -> tuple[Answer, Decisions]:
        """Cancel all working orders; DONE or UNCHANGED."""
        return self._act(CommandKind.CANCEL_ALL)

    def halt(self, lane: int, halted: bool) -> tuple[Answer, Decisions]:
        """Halt a lane, its entries and quotes cancelled, or let it go on; DONE or UNCHANGED."""
        return self._act(CommandKind.HALT, lane=lane, flag=int(halted))

    def close(self, *, flatten: bool) -> Decisions:
        """The end: working orders cancelled; with `flatten` positions closed at once, see `engine.loop.commands`."""
        return self._act(CommandKind.CLOSE, flag=int(flatten))[1]

    def venue_fill(self, fill: VenueFill) -> tuple[Answer, Decisions]:
        """A venue executed part of an order; DONE, NO_ORDER or TOO_MUCH."""
        return self._act(
            CommandKind.VENUE_FILL,
            order=fill.order,
            price=fill.price,
            quantity=fill.quantity,
            fee=fill.fee,
            flag=int(fill.maker),
        )

    def venue_report(self, kind: CommandKind, order: int) -> tuple[Answer, Decisions]:
        """A venue rejected or cancelled an order, or its outcome is not known; DONE or NO_ORDER."""
        return self._act(kind, order=order)

    def _act(self, kind: CommandKind, **fields: float) -> tuple[Answer, Decisions]:
        command = self._command
        command[:] = 0
        for name, value in {"kind": kind, **fields}.items():
            command[name] = value
        answer = Answer(self._loop.act(self._memory.books, self._out, command))
        return answer, self._decisions(self._drained())

    # --- state ----------------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """All that decides, with the code hash and a checksum."""
        return snapshot.pack(self.code_hash, self._arrays(), self._path.rows())

    def restore(self, data: bytes, *, any_code: bool = False) -> None:
        """Go on from a snapshot of a loop of the same spec and code, or of other code with records of the same shape.

        Raises:
            Conflict: it is of other code, of another shape, or damaged; nothing was changed.
        """
        self._path.restore(snapshot.unpack(data, None if any_code else self.code_hash, self._arrays()))
        self._counts[:ROOM] = 0
        self._first = self._ordinals()

    def state_hash(self) -> str:
        """Hash of the records: 64 hexadecimal digits, equal where all later decisions are."""
        return snapshot.state_hash([*self._arrays(), self._path.rows()])

    def _arrays(self) -> list[Rows]:
        return [*self._memory.arrays(), *self._path.reached]

    # --- outputs --------------------------------------------------------------------------------------------------

    def _drained(self) -> tuple[bytes, ...]:
        counts = self._counts.tolist()
        parts = tuple(
            raw[: count * dtype.itemsize].tobytes() if count else b""
            for raw, count, dtype in zip(self._raw, counts, OUT_DTYPES, strict=False)
        )
        self._counts[:ROOM] = 0
        return parts

    def _decisions(self, kinds: tuple[bytes, ...]) -> Decisions:
        first = self._first
        if kinds is NOTHING:
            return Decisions(EMPTY[0], EMPTY[1], EMPTY[2], EMPTY[3], EMPTY[4], first)
        rows = [np.frombuffer(data, dtype) for data, dtype in zip(kinds, OUT_DTYPES, strict=True)]
        self._first = self._ordinals()
        return Decisions(rows[0], rows[1], rows[2], rows[3], rows[4], first)

    def _ordinals(self) -> tuple[int, int, int, int, int]:
        signals, orders, fills, denials, marks = self._ordinal_words.tolist()
        return signals, orders, fills, denials, marks


def loop_for(names: tuple[str, ...], strategies: Mapping[str, Strategy], intervals: bool = False) -> Loop:
    """The compiled loop of a session: of its one strategy alone, or of all that are registered.

    `intervals`: a lane of the session has one.

    Raises:
        Unknown: a strategy is not registered.
        InvalidInput: a kernel does not compile.
    """
    return load_loop(_set_for(names, strategies), intervals)


def code_hash_for(names: tuple[str, ...], strategies: Mapping[str, Strategy], intervals: bool = False) -> str:
    """The code hash of `loop_for` without its machine code. Raises as that does."""
    return code_hash_of(_set_for(names, strategies), intervals)


def is_compiled_for(names: tuple[str, ...], strategies: Mapping[str, Strategy], intervals: bool = False) -> bool:
    """Whether `loop_for` finds its machine code in the cache, and need not compile for seconds. Raises as that does."""
    return is_compiled(_set_for(names, strategies), intervals)


def _set_for(names: tuple[str, ...], strategies: Mapping[str, Strategy]) -> list[Strategy]:
    asked = [strategies[name] for name in names]
    return asked if len(names) == 1 else list(strategies.values())


def _words(account: Rows, names: tuple[str, ...]) -> Any:
    """A view on neighbouring int64 fields of the account: reading a record field by field is slow."""
    places = [ACCOUNT_DTYPE.fields[name][1] // 8 for name in names]  # type: ignore[index]
    assert places == list(range(places[0], places[0] + len(names))), "the ordinals lie side by side"
    return account.view(np.int64)[places[0] : places[0] + len(names)]


def _outputs(memory: Memory, capacity: int) -> tuple[Any, ...]:
    """Arrays that hold `capacity` rows more than one row or command may cause, and the counts."""
    working, lanes = len(memory.working), len(memory.lanes)
    asked = int(memory.account["chain_most"][0]) * INTENTS_MAX
    most = (
        asked,
        max(3 * working + 3 * lanes + 4 * asked, working + 2 * lanes),
        working + lanes,
        2 * asked + 1,
        working + lanes + 1,
    )
    arrays = [np.zeros(count + max(capacity, 0), dtype) for count, dtype in zip(most, OUT_DTYPES, strict=True)]
    counts = np.zeros(COUNTS_SIZE, np.int64)
    counts[ROOM:] = [len(rows) for rows in arrays]
    return (*arrays, counts)
