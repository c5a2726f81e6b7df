"""What a loop is built from, and the records it starts with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
from msgspec import UnsetType

from engine.loop.records import (
    ACCOUNT_DTYPE,
    INSTRUMENT_DTYPE,
    INTENT_DTYPE,
    INTENTS_MAX,
    LANE_BAR_DTYPE,
    LANE_DTYPE,
    WORKING_DTYPE,
)
from engine.loop.risk import EXITS_KEPT
from engine.strategies.strategy import Strategy, Value
from events.errors import InvalidInput
from events.facts import InstrumentTerms, SessionCosts, SessionLimits, SessionSpec
from events.facts.timeframes import TIMEFRAME_NS
from events.rows import Rows

INSTRUMENTS_MAX = 4096  # instruments of a session
LANES_MAX = 4096  # lanes of a session
WORKING_MAX = 4096  # working orders of a session, but for the places kept for exits
NUMBER_MAX = 1 << 22  # greatest instrument number: the lookup is an array
NS_PER_MS = 1_000_000
INTERVAL_MAX = 366 * 86_400_000 * NS_PER_MS


class LaneSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One strategy on one instrument, by its place in `LoopSpec.instruments`."""

    strategy: str
    instrument: int
    params: dict[str, Value] = {}
    allocation_ratio: float = 1.0  # share of the global cap
    direction: str = ""  # `long` or `short`: narrower than the strategy's own
    interval_ns: int = 0  # of the bars that its kernel sees; 0: rows as they come


class LoopSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that the loop reads besides rows and commands."""

    instruments: tuple[InstrumentTerms, ...]
    lanes: tuple[LaneSpec, ...]
    limits: SessionLimits = SessionLimits()
    seed: int = 0
    designated: Literal["event", "received"] = "event"
    simulate_fills: bool = True  # False: a venue reports them
    working_max: int = 1024
    trade_from_ns: int = 0  # loop time; see `engine.loop.before_start`

    def __post_init__(self) -> None:
        numbers = [terms.number for terms in self.instruments]
        for name, count, most in (
            ("instruments", len(numbers), INSTRUMENTS_MAX),
            ("lanes", len(self.lanes), LANES_MAX),
            ("working_max", self.working_max, WORKING_MAX),
        ):
            if not 1 <= count <= most:
                raise InvalidInput(f"A loop has 1 to {most} {name}, not {count}.", field=name)
        if len(set(numbers)) < len(numbers) or min(numbers) < 0 or max(numbers) > NUMBER_MAX:
            raise InvalidInput(f"Instrument numbers repeat, or are not in 0..{NUMBER_MAX}.", field="instruments")
        for lane in self.lanes:
            if not 0 <= lane.instrument < len(numbers):
                raise InvalidInput(f"Lane of {lane.strategy} names instrument {lane.instrument}.", field="lanes")
            if not 0 <= lane.interval_ns <= INTERVAL_MAX:
                raise InvalidInput(f"An interval is from 0 to {INTERVAL_MAX} ns.", field="lanes")
        if not 0 <= self.seed < 2**64:
            raise InvalidInput("seed is a whole number from 0 to 2^64 - 1.", field="seed")
        if not 0 <= self.trade_from_ns < 2**63:
            raise InvalidInput("trade_from_ns is a time in ns UTC.", field="trade_from_ns")
        check_limits(self.limits)

    @property
    def strategies(self) -> tuple[str, ...]:
        """The strategies of the lanes, each once, in order of id."""
        return tuple(sorted({lane.strategy for lane in self.lanes}))

    @property
    def intervals(self) -> bool:
        """Whether a lane has an interval: the loop makes bars then."""
        return any(lane.interval_ns for lane in self.lanes)


WHOLE_AT_MOST = (
    "stop_loss_ratio",
    "trailing_ratio",
    "fill_ratio_max",
    "queue_ratio",
    "daily_loss_ratio",
    "position_risk_ratio",
)


def check_limits(limits: SessionLimits) -> None:
    """Refuse numbers that no loop can run with.

    Raises:
        InvalidInput: a limit is not finite or below 0, a share above 1, or the mark interval 0.
    """
    costs = costs_of(limits)
    for name, value in {**msgspec.structs.asdict(limits), **msgspec.structs.asdict(costs)}.items():
        if isinstance(value, bool | SessionCosts | UnsetType):
            continue
        if not math.isfinite(value) or value < 0:
            raise InvalidInput(f"Limit {name} is {value}; it must be finite and not below 0.", field=name)
    for name in WHOLE_AT_MOST:
        if getattr(limits, name) > 1.0:
            raise InvalidInput(f"Limit {name} is above 1, the whole.", field=name)
    if costs.risk_ratio > 1.0:
        raise InvalidInput("Limit risk_ratio is above 1, the whole.", field="risk_ratio")
    if limits.equity_interval_ms < 1:
        raise InvalidInput("Limit equity_interval_ms must be at least 1.", field="equity_interval_ms")


def costs_of(limits: SessionLimits) -> SessionCosts:
    """The costs of a session; those of no cost where it has none."""
    return SessionCosts() if isinstance(limits.costs, UnsetType) else limits.costs


def loop_spec(session: SessionSpec) -> LoopSpec:
    """The loop of a session: lanes are each strategy as given on each of its instruments as given."""
    return LoopSpec(
        instruments=session.instruments,
        lanes=tuple(
            LaneSpec(
                strategy=setting.strategy,
                instrument=place,
                params=setting.params,
                allocation_ratio=setting.allocation_ratio,
                direction=setting.direction,
                interval_ns=TIMEFRAME_NS[setting.timeframe],
            )
            for setting in session.strategies
            for place, terms in enumerate(session.instruments)
            if not setting.symbols or terms.symbol in setting.symbols
        ),
        limits=session.limits,
        seed=session.seed,
        designated=session.designated,
        simulate_fills=session.mode != "live",
        trade_from_ns=session.input.trade_from_ns,
    )


@dataclass(frozen=True, slots=True)
class Memory:
    """Every array that decides. The bytes of `arrays()` are the state of a session."""

    instruments: Rows
    lanes: Rows
    working: Rows
    account: Rows
    intents: Rows
    kernels: tuple[Rows, ...]  # states and params of each kernel in turn
    bars: tuple[Rows, ...]  # of each lane, where one has an interval
    lookup: Any  # int32[greatest number + 1]: catalogue number -> index, -1 where not of the session

    @property
    def books(self) -> tuple[Rows, Rows, Rows, Rows]:
        """What the compiled functions call `books`."""
        return (self.instruments, self.lanes, self.working, self.account)

    @property
    def memory(self) -> tuple[Rows, ...]:
        """What they call `memory`: what belongs to kernels and lanes."""
        return (*self.kernels, *self.bars)

    def arrays(self) -> tuple[Rows, ...]:
        """What a snapshot holds, in its order."""
        return (*self.books, self.intents, *self.memory)


def build_memory(spec: LoopSpec, order: Sequence[str], strategies: Mapping[str, Strategy]) -> Memory:
    """The records a session starts with; `order` is the order of kernels in its loop.

    Raises:
        InvalidInput: a parameter is unknown or out of bounds.
        Unknown: a strategy is not registered.
    """
    kernels: list[Rows] = []
    for name in order:
        strategy, own = strategies[name], [lane for lane in spec.lanes if lane.strategy == name]
        kernels.append(np.zeros(max(len(own), 1), strategy.state))
        rows = [strategy.params_row(lane.params) for lane in own] or [strategy.params_row({})]
        kernels.append(np.concatenate(rows))
    lookup = np.full(max(terms.number for terms in spec.instruments) + 1, -1, np.int32)
    for place, terms in enumerate(spec.instruments):
        lookup[terms.number] = place
    lanes = _lanes(spec, order, strategies)
    instruments = _instruments(spec)
    most = _chain(instruments, lanes)
    return Memory(
        instruments=instruments,
        lanes=lanes,
        working=np.zeros(places_of(spec), WORKING_DTYPE),
        account=_account(spec, most),
        intents=np.zeros(INTENTS_MAX, INTENT_DTYPE),
        kernels=tuple(kernels),
        bars=_lane_bars(spec) if spec.intervals else (),
        lookup=lookup,
    )


def places_of(spec: LoopSpec) -> int:
    """Length of the working list: the orders, and two places for the exits of each lane."""
    return spec.working_max + EXITS_KEPT * (len(spec.lanes) + len(spec.instruments))


def _instruments(spec: LoopSpec) -> Rows:
    rows = np.zeros(len(spec.instruments), INSTRUMENT_DTYPE)
    for row, terms in zip(rows, spec.instruments, strict=True):
        for name in ("number", "price_step", "quantity_step", "notional_min", "maker_fee_ratio", "taker_fee_ratio"):
            row[name] = getattr(terms, name)
    if not costs_of(spec.limits).instrument_fees:
        rows["maker_fee_ratio"] = rows["taker_fee_ratio"] = 0.0
    return rows


def _lanes(spec: LoopSpec, order: Sequence[str], strategies: Mapping[str, Strategy]) -> Rows:
    limits = spec.limits
    rows = np.zeros(len(spec.lanes) + len(spec.instruments), LANE_DTYPE)
    for name in ("stop_loss_ratio", "take_profit_ratio", "trailing_ratio"):
        rows[name][: len(spec.lanes)] = getattr(limits, name)
    rows["calm_low"], rows["calm_high"] = -np.inf, np.inf
    rows["position_max"] = limits.position_max or np.inf
    rows["halted"] = spec.trade_from_ns > 0
    slots = dict.fromkeys(order, 0)
    for row, lane in zip(rows, spec.lanes, strict=False):
        strategy = strategies[lane.strategy]
        allocation = lane.allocation_ratio * limits.global_cap if limits.global_cap else np.inf
        row["instrument"] = lane.instrument
        row["strategy"] = order.index(lane.strategy)
        row["slot"] = slots[lane.strategy]
        row["kinds"] = strategy.kinds
        directions = (strategy.direction, lane.direction)
        row["long_allowed"] = "short" not in directions
        row["short_allowed"] = "long" not in directions and limits.allow_short
        row["allocation"] = allocation
        row["order_notional"] = limits.order_notional or min(allocation, limits.cash) / 10
        slots[lane.strategy] += 1
    by_hand = rows[len(spec.lanes) :]
    by_hand["instrument"] = np.arange(len(spec.instruments))
    by_hand["strategy"] = -1
    by_hand["long_allowed"] = 1
    by_hand["short_allowed"] = limits.allow_short
    by_hand["allocation"] = np.inf
    return rows


def _lane_bars(spec: LoopSpec) -> tuple[Rows]:
    rows = np.zeros(len(spec.lanes), LANE_BAR_DTYPE)
    rows["interval_ns"] = [lane.interval_ns for lane in spec.lanes]
    return (rows,)


def _chain(instruments: Rows, lanes: Rows) -> int:
    """Chain each instrument's lanes in the session's order; give the length of the longest chain."""
    instruments["lane_first"] = -1
    lanes["next"] = -1
    for index in range(len(lanes) - 1, -1, -1):
        if lanes[index]["strategy"] >= 0:
            market = instruments[lanes[index]["instrument"]]
            lanes[index]["next"] = market["lane_first"]
            market["lane_first"] = index
    with_kernels = lanes[lanes["strategy"] >= 0]
    return int(np.bincount(with_kernels["instrument"]).max())


def _account(spec: LoopSpec, chain_most: int) -> Rows:
    limits = spec.limits
    row = np.zeros(1, ACCOUNT_DTYPE)
    for name in ("fill_ratio_max", "slippage_ratio", "slippage_jitter_ratio", "queue_ratio"):
        row[name] = getattr(limits, name)
    costs = costs_of(limits)
    row["half_spread"] = costs.spread / 2.0
    for name in ("slippage", "commission", "leverage", "risk_ratio"):
        row[name] = getattr(costs, name)
    for name in ("daily_loss_ratio", "position_risk_ratio"):
        row[name] = getattr(limits, name)
    row["day_floor"] = -np.inf
    row["day_end_ns"] = 0 if limits.daily_loss_ratio > 0.0 else np.iinfo(np.int64).max
    row["cash"] = row["equity"] = row["equity_peak"] = limits.cash
    row["global_cap"] = limits.global_cap or np.inf
    row["latency_ns"] = round(limits.latency_ms * NS_PER_MS)
    row["latency_jitter_ns"] = round(limits.latency_jitter_ms * NS_PER_MS)
    row["equity_interval_ns"] = limits.equity_interval_ms * NS_PER_MS
    row["seed"] = spec.seed
    row["room_input"] = -1
    row["designated"] = spec.designated == "received"
    row["simulated"] = spec.simulate_fills
    row["chain_most"] = chain_most
    row["instruments"] = len(spec.instruments)
    row["lanes"] = len(spec.lanes) + len(spec.instruments)
    row["places"] = places_of(spec)
    return row
