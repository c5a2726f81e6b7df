"""The body of contract 000's `POST /sessions/start`, and what it asks for in our own terms.

The one place where the contract's percents become ratios. `docs/api.md` states every rule.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from engine.configuration.sections import Configuration
from engine.recordings.shelf import Shelf
from engine.sessions.plan import NAME_MAX, SessionWish, StrategyWish
from events.errors import InvalidInput
from events.facts import SessionLimits, SessionMode
from events.misfits import LOOKS

ALLOCATIONS = "config.budget.allocations"
SHARE_SLACK = 1e-9  # of sums of shares that a user meant to be 1

Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
Percent = Annotated[float, Meta(ge=0, le=100, description="percent; 0: off")]
Gain = Annotated[float, Meta(ge=0, le=10_000, description="percent; 0: off")]
Params = dict[str, Any]  # numbers and booleans; the strategy says which, and names what is wrong


class StrategyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which strategies, and the parameters that differ from their defaults."""

    strategies: Annotated[tuple[Name, ...], Meta(max_length=16)] = ()
    params: Annotated[dict[str, Params], Meta(description="strategy id -> parameters")] = {}


Part = Annotated[
    float,
    Meta(gt=0, le=100, extra={LOOKS: "above 0 and at most 100: a percent of global_cap, or a share of one; no money"}),
]


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Caps in quote currency, and how they are shared out."""

    global_cap: Annotated[float, Meta(gt=0, le=1e15, description="quote currency in use at once, at most")]
    allocations: Annotated[
        dict[str, Part],
        Meta(
            description="strategy id -> its part of the cap: shares of one, or percents where any value is above 1; "
            "strategies that are not named share the rest equally"
        ),
    ] = {}


class StartConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Budget, protective exits, pace and execution model."""

    budget: Budget | None = None
    stop_loss_percent: Percent = 0.0
    take_profit_percent: Gain = 0.0
    trailing_percent: Percent = 0.0
    daily_loss_percent: Annotated[
        Percent | None,
        Meta(
            description="of the equity at the start of a UTC day; nothing opens until the next once it is lost; "
            "0: off. Default: the configured risk.maxDailyLoss"
        ),
    ] = None
    max_position_size: Annotated[float, Meta(ge=0, le=1e15, description="notional of one lane; 0: no limit")] = 0.0
    session_id: Annotated[
        str | None,
        Meta(description="a recording (of /api/data-collection/sessions), or the collect session that made it"),
    ] = None
    acceleration_factor: Annotated[
        Annotated[float, Meta(ge=0, le=1e9)] | None,
        Meta(
            description="pace of a recording against event time; 0: as fast as possible. Default: 1 in paper, 0 in a "
            "backtest. Without a recording 1 alone: a live source has its own"
        ),
    ] = None
    source: Annotated[str | None, Meta(description="the live source of a paper or collect session")] = None
    initial_cash: Annotated[
        Annotated[float, Meta(gt=0, le=1e15)] | None,
        Meta(description="of the account; default: global_cap, else the configured backtest.initialBalance"),
    ] = None
    order_notional: Annotated[
        float, Meta(ge=0, le=1e15, description="size of an entry; 0: a tenth of the allocation")
    ] = 0.0
    fill_ratio_max: Annotated[float, Meta(gt=0, le=1, description="part of a trade that may fill us")] = 1.0
    slippage_bps: Annotated[float, Meta(ge=0, le=5_000)] = 0.0
    slippage_jitter_bps: Annotated[float, Meta(ge=0, le=5_000)] = 0.0
    latency_ms: Annotated[float, Meta(ge=0, le=60_000)] = 0.0
    latency_jitter_ms: Annotated[float, Meta(ge=0, le=60_000)] = 0.0
    queue_ratio: Annotated[float, Meta(ge=0, le=1)] = 1.0
    equity_interval_ms: Annotated[int, Meta(ge=1, le=86_400_000)] = 60_000
    close_on_stop: bool = False
    allow_short: bool = True
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    name: Annotated[str, Meta(max_length=NAME_MAX)] = ""


class StartRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to run."""

    session_type: SessionMode
    symbols: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=256, description="or SYMBOL@VENUE")]
    strategy_config: StrategyConfig | None = None
    config: StartConfig = StartConfig()
    idempotent: Annotated[
        bool, Meta(description="the same body again, while its session runs, is answered with that session")
    ] = False


def wish_of(request: StartRequest, shelf: Shelf, configured: Configuration) -> SessionWish:
    """The session that a body asks for; what it leaves out of cash and daily loss is as configured.

    Raises:
        InvalidInput: with the contract's name of the field at fault.
    """
    config = request.config
    recording = _recording(config.session_id, shelf)
    _check(request, recording)
    return SessionWish(
        mode=request.session_type,
        symbols=request.symbols,
        strategies=_strategies(request),
        recording=recording,
        source=config.source,
        acceleration=_acceleration(request, recording),
        limits=limits_of(config, configured),
        seed=config.seed,
        name=config.name,
    )


def hash_of(request: StartRequest) -> str:
    """Hash of a body as it was sent, whatever is configured by now; what is as by default is the same as left out."""
    sent = (request.session_type, request.symbols, request.strategy_config, request.config)
    return hashlib.blake2b(msgspec.json.encode(sent, order="sorted"), digest_size=16).hexdigest()


def limits_of(config: StartConfig, configured: Configuration) -> SessionLimits:
    """Percents and basis points of a body as ratios; the account holds the budget where no cash is named."""
    cap = config.budget.global_cap if config.budget else configured.backtest.initial_balance
    daily_loss = config.daily_loss_percent
    return SessionLimits(
        cash=config.initial_cash if config.initial_cash is not None else cap,
        global_cap=cap,
        position_max=config.max_position_size,
        order_notional=config.order_notional,
        stop_loss_ratio=config.stop_loss_percent / 100,
        take_profit_ratio=config.take_profit_percent / 100,
        trailing_ratio=config.trailing_percent / 100,
        fill_ratio_max=config.fill_ratio_max,
        slippage_ratio=config.slippage_bps / 10_000,
        slippage_jitter_ratio=config.slippage_jitter_bps / 10_000,
        latency_ms=config.latency_ms,
        latency_jitter_ms=config.latency_jitter_ms,
        queue_ratio=config.queue_ratio,
        equity_interval_ms=config.equity_interval_ms,
        close_on_stop=config.close_on_stop,
        allow_short=config.allow_short,
        daily_loss_ratio=configured.risk.max_daily_loss if daily_loss is None else daily_loss / 100,
    )


def shares_of(allocations: dict[str, float], strategies: tuple[str, ...]) -> dict[str, float]:
    """Share of the global cap by strategy: those named, the rest equally among the others; 0 lets `plan` choose.

    Raises:
        InvalidInput: a strategy that does not run, over 100 % in all, or nothing left for the others.
    """
    for name in allocations:
        if name not in strategies:
            raise InvalidInput(
                f"{ALLOCATIONS} names {name[:64]!r}, which is not among the strategies.", field=ALLOCATIONS
            )
    scale = 100.0 if any(value > 1 for value in allocations.values()) else 1.0
    shares = {name: value / scale for name, value in allocations.items()}
    left = 1.0 - sum(shares.values())
    others = [name for name in strategies if name not in shares]
    if left < -SHARE_SLACK or (shares and others and left <= SHARE_SLACK):
        without = f", and {', '.join(others)} would have nothing" if others else ""
        raise InvalidInput(f"{ALLOCATIONS} add up to {100 * (1 - left):g} %{without}.", field=ALLOCATIONS)
    if not shares:
        return dict.fromkeys(strategies, 0.0)
    return {name: shares.get(name, left / len(others) if others else 0.0) for name in strategies}


def _strategies(request: StartRequest) -> tuple[StrategyWish, ...]:
    given = request.strategy_config or StrategyConfig()
    allocations = request.config.budget.allocations if request.config.budget else {}
    shares = shares_of(allocations, given.strategies)
    for name in given.params:
        if name not in given.strategies:
            raise InvalidInput(f"{name[:64]!r} is not among the strategies.", field="strategy_config.params")
    return tuple(
        StrategyWish(strategy=name, params=given.params.get(name, {}), allocation_ratio=min(shares[name], 1.0))
        for name in given.strategies
    )


def _recording(name: str | None, shelf: Shelf) -> str | None:
    """The recording that an id means: its own, or that of the collect session which made it."""
    if not name or name in shelf.recordings:
        return name or None
    made = [one.id for one in shelf.recordings.values() if one.opened.session == name]
    return made[-1] if made else name


def _check(request: StartRequest, recording: str | None) -> None:
    if request.session_type in ("paper", "backtest") and request.strategy_config is None:
        raise InvalidInput("strategy_config is missing: name at least one strategy.", field="strategy_config")
    if request.session_type == "backtest" and recording is None:
        raise InvalidInput(
            "A backtest needs config.session_id, the recording it replays.",
            field="config.session_id",
            hint="GET /api/data-collection/sessions lists them.",
        )
    if request.session_type == "collect" and recording is not None:
        raise InvalidInput("A collect session records a live source, not a recording.", field="config.session_id")
    if recording is None and request.config.acceleration_factor not in (None, 1):
        raise InvalidInput(
            "A live source has its own pace: acceleration_factor needs config.session_id, a recording to replay.",
            field="config.acceleration_factor",
            hint="Leave it out, or name a recording; GET /api/data-collection/sessions lists them.",
        )
    if recording is not None and request.config.source is not None:
        raise InvalidInput("Name a recording or a source, not both.", field="config.source")


def _acceleration(request: StartRequest, recording: str | None) -> float:
    """The tail of a source has its own pace."""
    if recording is None:
        return 0.0
    given = request.config.acceleration_factor
    default: dict[Literal["live", "paper", "backtest", "collect"], float] = {"paper": 1.0}
    return default.get(request.session_type, 0.0) if given is None else given
