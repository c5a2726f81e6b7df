"""All that the loop of a session reads."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from events.facts.catalogue import InstrumentTerms
from events.facts.kinds import Place
from events.facts.timeframes import Timeframe

SessionMode = Literal["live", "paper", "backtest", "collect"]


class StrategySetting(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy of a session with its resolved parameters; it runs on every instrument of the session."""

    strategy: str
    params: dict[str, float | int | bool]
    allocation_ratio: float = 1.0  # share of the global cap
    symbols: tuple[str, ...] = ()  # empty: all of the session
    direction: str = ""  # `long` or `short` where it is narrower than the strategy's own
    configured: str = ""  # id of the configured strategy that this is
    timeframe: Timeframe = ""  # of the bars that it decides on; empty: the rows as they come


class SessionCosts(msgspec.Struct, frozen=True, kw_only=True):
    """Costs of dealing and sizes by risk. Prices and costs in quote currency per base unit, ratios as shares of one."""

    spread: float = 0.0  # between bid and ask where no quote is known: half of it on each side
    slippage: float = 0.0  # of what takes, beside `slippage_ratio`
    commission: float = 0.0  # of every fill
    instrument_fees: bool = True  # the instruments' own fee ratios apply too
    leverage: float = 0.0  # notional in use at most, in equities; 0: no limit
    risk_ratio: float = 0.0  # share of equity that an entry loses at its stop loss; 0: `order_notional` is its size


class SessionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Budget, protective exits and execution model. Notionals in quote currency, ratios as shares of one."""

    cash: float = 10_000.0
    global_cap: float = 10_000.0
    position_max: float = 0.0  # notional of one lane; 0: no limit
    order_notional: float = 0.0  # size of an entry that names none; 0: a tenth of the lane's allocation
    stop_loss_ratio: float = 0.0
    take_profit_ratio: float = 0.0
    trailing_ratio: float = 0.0
    fill_ratio_max: float = 1.0
    slippage_ratio: float = 0.0
    slippage_jitter_ratio: float = 0.0
    latency_ms: float = 0.0
    latency_jitter_ms: float = 0.0
    queue_ratio: float = 1.0
    equity_interval_ms: int = 60_000
    close_on_stop: bool = False
    allow_short: bool = True
    daily_loss_ratio: float = 0.0  # of the equity at the start of a UTC day; what opens or adds is denied from then on
    position_risk_ratio: float = 0.0  # of equity that a lane may lose at its stop loss, all of it without; 0: no limit
    costs: SessionCosts | UnsetType = UNSET  # not written where there are none: bodies keep their hash


class SessionInput(msgspec.Struct, frozen=True, kw_only=True):
    """Where rows come from: the tail of a source, or a recording read by reference."""

    source: str
    recording: str | None = None  # None: the tail of `source`
    acceleration: float = 0.0  # pace against event time; 0: as fast as possible
    first: Place | None = None  # of the recording's window
    last: Place | None = None
    trade_from_ns: int = 0  # before this loop time strategies see the rows and nothing is traded or written; 0: at once


class SessionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All that the loop reads. Whoever has it and the input rows has the decisions."""

    session: str
    mode: SessionMode
    user: str
    input: SessionInput
    instruments: tuple[InstrumentTerms, ...]
    strategies: tuple[StrategySetting, ...]
    limits: SessionLimits
    seed: int
    code_hash: str
    designated: Literal["event", "received"] = "event"
    body_hash: str = ""  # of the request, for idempotent starts
    parent: str | None = None  # the session this one forks or verifies
    research: bool = False
    commands: tuple[tuple[int, str], ...] = ()  # (input ordinal, command as JSON) of a fork with commands
    grid: tuple[dict[str, float | int | bool], ...] = ()  # a sweep: parameters of each run; results only
    name: str = ""
    job: str = ""  # the job that runs it: the same worker runs both
