"""A session's loop in the vocabulary of the tape: rows and commands in, decided rows out. No I/O, no clock."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from engine.loop.bars import ROWS_PER_BAR
from engine.loop.decision_loop import Answer, DecisionLoop, Decisions, HandOrder
from engine.loop.module import Loop
from engine.loop.spec import loop_spec
from engine.sessions import fates
from engine.sessions.lanes import lanes_of
from engine.sessions.outputs import Produced
from engine.strategies.strategy import Strategy
from events.errors import TapedeckError
from events.facts import (
    CancelOrder,
    ChangeCode,
    Command,
    HaltLane,
    NoteVerification,
    Place,
    SessionSpec,
    StopSession,
    SubmitOrder,
)
from events.rows import DECISION_KINDS, OrderKind, Rows, SectionKind, Side, TimeInForce

Refusal = tuple[str, str, str | None]  # code, message, field
PRICED = {"limit": ("price",), "stop": ("stop_price",), "stop_limit": ("price", "stop_price")}
PRICED |= {"trailing": ("stop_price",), "market": ()}
NUMBER_MAX = 1e15


class KernelFailed(TapedeckError):
    """A kernel returned a failure code; rows before it are kept."""

    code = "KERNEL_FAILED"

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place  # of the row at which it failed


class Decider:
    """One session's loop, spoken to in the vocabulary of the tape."""

    def __init__(self, spec: SessionSpec, strategies: Mapping[str, Strategy], loop: Loop | None = None) -> None:
        self.spec = spec
        self._loop = DecisionLoop(loop_spec(spec), strategies, loop=loop)
        self._lanes = lanes_of(spec)
        self._places = {terms.symbol: place for place, terms in enumerate(spec.instruments)}
        self._mine = np.zeros(max(terms.number for terms in spec.instruments) + 2, np.bool_)
        self._mine[[terms.number for terms in spec.instruments]] = True

    # --- what it is -----------------------------------------------------------------------------------------------

    @property
    def code_hash(self) -> str:
        """Decisions are comparable under one code hash."""
        return self._loop.code_hash

    @property
    def inputs(self) -> int:
        """Input rows taken in so far; of bars, `waiting` of them are not read yet."""
        return self._loop.inputs + self._loop.waiting

    @property
    def decided(self) -> int:
        """Input rows read so far: the ordinal that what is decided next carries."""
        return self._loop.inputs

    @property
    def equity(self) -> float:
        """Quote currency."""
        return self._loop.equity

    @property
    def failed(self) -> bool:
        """Whether a kernel failed."""
        return self._loop.failed != 0

    @property
    def consumed(self) -> int:
        """Rows read of the last stretch, up to that with which a kernel failed."""
        return self._consumed

    fate = fates.NONE  # of the order by hand that was carried out last

    _consumed = 0
    _caught_up = 0
    _read_with: np.ndarray | None = None

    def failure(self, at: Place) -> KernelFailed:
        """What to say of a failed kernel."""
        lane = self._lanes[self._loop.failed_lane]
        return KernelFailed(
            f"The kernel of {lane.strategy.strategy} on {lane.instrument.symbol} failed with code {self._loop.failed} "
            f"at row {at.sequence}.{at.index}.",
            at,
        )

    # --- rows -----------------------------------------------------------------------------------------------------

    def rows(self, rows: Rows, kind: SectionKind) -> Produced:
        """Read market or bar rows; stops before the row at which a kernel fails."""
        if kind is SectionKind.BAR:
            decisions = self._loop.advance_bars(rows)
            self._read_with = self._loop.read_with
            self._caught_up = 0
            self._consumed = self._loop.consumed
            return _by_kind(decisions)
        self._read_with, self._caught_up = None, self._loop.waiting
        rest = self._catch_up()
        decisions = self._loop.advance(rows)
        self._consumed = self._loop.consumed
        return _joined(rest, decisions)

    def _catch_up(self) -> Decisions | None:
        """Read the rows that wait: before rows of another kind, before a command, at the end of the data."""
        return self._loop.catch_up() if self._loop.waiting else None

    def read_at(self, rows: Rows, wanted: int, kind: SectionKind) -> int:
        """Index of the row with which the `wanted`-th input (from 1) of the last stretch, `rows`, was read."""
        if self._read_with is None:
            return self.row_of(rows, max(wanted - self._caught_up, 1), kind)
        return int(self._read_with[wanted - 1]) if wanted <= len(self._read_with) else len(rows) - 1

    def rows_until(self, rows: Rows, inputs: int, kind: SectionKind) -> int:
        """How many of the rows to read so that `inputs` were read in all; all where they do not suffice."""
        wanted = inputs - self.inputs
        return self.row_of(rows, wanted, kind) + 1 if wanted > 0 else 0

    def row_of(self, rows: Rows, wanted: int, kind: SectionKind) -> int:
        """Index of the row that is the `wanted`-th input (from 1) among these rows; the last where there are fewer."""
        if kind is SectionKind.BAR:
            wanted = -(-wanted // ROWS_PER_BAR)
        numbers = np.minimum(rows["instrument"], len(self._mine) - 1)
        mine = np.flatnonzero(self._mine[numbers])
        return int(mine[wanted - 1]) if wanted <= len(mine) else len(rows) - 1

    # --- commands -------------------------------------------------------------------------------------------------

    def refusal(self, command: Command) -> Refusal | None:
        """Why a command cannot be carried out now; None where it can. Nothing is read for it."""
        if not self._loop.waiting:
            return self._refusal(command)
        before = self._loop.snapshot()  # only a command that is carried out makes the rows that wait be read
        self._loop.catch_up()
        try:
            return self._refusal(command)
        finally:
            self._loop.restore(before)

    def _refusal(self, command: Command) -> Refusal | None:
        match command:
            case SubmitOrder() | HaltLane() if self._loop.before_start:
                return "CONFLICT", "The session still reads what lies before its start; it trades nothing yet.", None
            case SubmitOrder():
                return self._refusal_of_order(command)
            case CancelOrder() if command.order and command.order not in self._loop.working["order"]:
                return "NOT_FOUND", f"No working order has number {command.order}.", "order"
            case HaltLane() if self._lane(command) is None:
                return "NOT_FOUND", f"The session has no {command.strategy} on {command.symbol}.", "strategy"
            case ChangeCode():
                return "CONFLICT", f"The session is not suspended: it runs under code {self.code_hash}.", "code_hash"
            case NoteVerification():
                return "CONFLICT", "The session has not ended; only an ended one is verified.", "session"
            case _:
                return None

    def _refusal_of_order(self, order: SubmitOrder) -> Refusal | None:
        if order.symbol not in self._places:
            return "NOT_FOUND", f"The session does not trade {order.symbol}.", "symbol"
        for name in ("quantity", *PRICED[order.kind]):
            value = getattr(order, name)
            if not (math.isfinite(value) and 0 < value <= NUMBER_MAX):
                return "INVALID_INPUT", f"{name} is {value}; a {order.kind} order needs one above 0.", name
        return None

    def _lane(self, command: HaltLane) -> int | None:
        for lane in self._lanes:
            if (lane.strategy.strategy, lane.instrument.symbol) == (command.strategy, command.symbol):
                return lane.number
        return None

    def carry_out(self, command: Command) -> Produced:
        """Do what an accepted command asks for, behind every row taken in; a stop is the caller's."""
        self.fate = fates.NONE
        if isinstance(command, StopSession):
            return {}
        rest = self._catch_up()
        if rest is not None and self.failed:
            return _by_kind(rest)
        acted, decisions = self._act(command)
        if isinstance(command, SubmitOrder):
            self.fate = fates.fate_of(acted, decisions)
        return _joined(rest, decisions)

    def _act(self, command: Command) -> tuple[Answer, Decisions]:
        match command:
            case SubmitOrder():
                return self._loop.submit(self._hand_order(command))
            case CancelOrder():
                return self._loop.cancel(command.order) if command.order else self._loop.cancel_all()
            case HaltLane():
                lane = self._lane(command)
                assert lane is not None, "refused before"
                return self._loop.halt(lane, command.halted)
            case _:
                raise AssertionError(f"no session carries out a {type(command).__name__}")

    def _hand_order(self, order: SubmitOrder) -> HandOrder:
        return HandOrder(
            lane=self._loop.hand_lane(self._places[order.symbol]),
            side=Side.BUY if order.side == "buy" else Side.SELL,
            quantity=order.quantity,
            kind=OrderKind[order.kind.upper()],
            price=order.price,
            stop_price=order.stop_price,
            time_in_force=TimeInForce[order.time_in_force],
        )

    def close(self, flatten: bool) -> Produced:
        """The end, behind every row taken in: working orders are cancelled, positions closed where `flatten`.

        Nothing is closed where a kernel fails at the rows that waited.
        """
        rest = self._catch_up()
        return _by_kind(rest) if rest is not None and self.failed else _joined(rest, self._loop.close(flatten=flatten))

    # --- state ----------------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """All that decides."""
        return self._loop.snapshot()

    def restore(self, data: bytes, *, any_code: bool = False) -> None:
        """Go on from a snapshot, where asked of other code too. Raises Conflict."""
        self._loop.restore(data, any_code=any_code)


def _by_kind(decisions: Decisions) -> Produced:
    return dict(zip(DECISION_KINDS, decisions.kinds(), strict=True))


def _joined(first: Decisions | None, then: Decisions) -> Produced:
    if first is None:
        return _by_kind(then)
    pairs = zip(DECISION_KINDS, first.kinds(), then.kinds(), strict=True)
    return {kind: np.concatenate([before, behind]) for kind, before, behind in pairs}
