"""Backtests and walk-forwards of contract 002: from its bodies to jobs, and what is over out of the read model."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import msgspec
from msgspec import Meta

from api.errors import camel
from api.house import House
from api.reading.reader import Moment
from api.services import configuration
from api.services.acting import Done
from api.services.backtests import check_bars, fixed
from api.services.finished import BACKTEST, WALKFORWARD, Details
from api.services.jobs import Asked, submit
from api.services.learning import Symbol, Timeframe
from api.services.replayed import COUNTED_ROWS_MAX, replayed
from engine.configuration.sections import Configuration
from engine.jobs.backtest import BacktestBody
from engine.jobs.walkforward import WalkforwardBody
from engine.recordings.choosing import number_of
from engine.recordings.last_bars import Bars, last_bars
from engine.recordings.reading import RecordingReader
from engine.recordings.shelf import Recording
from engine.recordings.stretches import Span
from engine.research.montecarlo import BLOCK_MAX, SIMULATIONS_MAX, Method, MonteCarloWish
from engine.research.pips import InPips, pair_units
from engine.research.walkforward import Days, Objective, Params, Windows, folds, grid, usual_grid
from engine.sessions.plan import SessionWish, StrategyWish
from events.errors import InvalidInput
from events.facts import SessionCosts, SessionLimits
from events.facts.catalogue import InstrumentRegistered
from events.facts.timeframes import TIMEFRAME_NS

BARS_MAX = 10_000_000
STRATEGY = "ema_cross"  # where a body names none
RISK_PER_TRADE = 0.02  # where nothing is named

Cost = Annotated[float, Meta(ge=0, le=1e6)]
Unit = Annotated[float, Meta(ge=1e-12, le=1e15)]
Share = Annotated[float, Meta(ge=0, le=1, description="share of equity; 0: no limit")]
Values = Annotated[tuple[float | int | bool, ...], Meta(min_length=1, max_length=64)]


class BacktestConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Of the account. What is not named is as configured."""

    initial_balance: Annotated[float, Meta(gt=0, le=1e15)] | None = None
    leverage: Annotated[float, Meta(ge=1, le=1_000)] | None = None
    spread_pips: Cost | None = None
    commission_per_lot: Cost | None = None
    slippage_pips: Cost = 1.0
    pip_size: Annotated[
        Unit | None,
        Meta(
            description="quote currency of a pip; unless given 0.0001 of a currency pair (0.01 where it is quoted in "
            "JPY), of all else, metals too, a ten-thousandth of the first price that is replayed"
        ),
    ] = None
    lot_size: Annotated[
        Unit | None,
        Meta(
            description="base units of a lot; unless given 100,000 of a currency pair, of all else what 100,000 of the "
            "quote currency buy at the first price that is replayed"
        ),
    ] = None
    risk_per_trade: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        Meta(description="share of equity lost at the stop; 0.02 unless given, or maxPositionSize where that is less"),
    ] = None
    stop_loss_pips: Annotated[float, Meta(gt=0, le=1e6)] | None = None
    take_profit_pips: Annotated[float, Meta(gt=0, le=1e6)] | None = None
    max_position_size: Share | None = None
    max_daily_loss: Share | None = None
    n_simulations: Annotated[int, Meta(ge=1, le=SIMULATIONS_MAX)] = 1_000
    monte_carlo_method: Annotated[
        Method, Meta(description="what is drawn: trades that ended, or blocks of the returns per period")
    ] = "trades"
    block_length: Annotated[int, Meta(ge=0, le=BLOCK_MAX, description="returns in a block; 0: the cube root")] = 0
    seed: Annotated[int, Meta(ge=0, le=2**53)] = 0


class ReplayAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What to replay: the last bars of what is recorded of a symbol, with a strategy."""

    symbol: Annotated[Symbol, Meta(description="or SYMBOL@VENUE; else of the venue that holds the bars")]
    timeframe: Timeframe = "1h"
    bars: Annotated[
        int, Meta(ge=1, le=BARS_MAX, description="the newest of the timeframe, those without a trade not counted")
    ] = 50_000
    realistic_mode: Annotated[bool, Meta(description="spread, slippage and commission; else dealing is free")] = False
    config: BacktestConfig = BacktestConfig()
    strategy: Annotated[str, Meta(min_length=1, max_length=128, description="a kind, or a configured one's id")] = (
        STRATEGY
    )
    params: Annotated[Params, Meta(max_length=64)] = {}
    recording: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=128,
                description="id of what to replay; else the newest that holds so many bars",
            ),
        ]
        | None
    ) = None


class BacktestAsked(ReplayAsked, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A backtest."""

    model_dir: Annotated[str, Meta(max_length=256, description="kept; no model decides yet, the strategy does")] = (
        "./saved_models"
    )
    monte_carlo: Annotated[bool, Meta(description="simulate with its trades or returns drawn anew")] = False


class WalkforwardAsked(ReplayAsked, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A walk-forward. `grid` has the values to try by parameter: by default around the strategy's first two."""

    train_window_days: Days = 180
    test_window_days: Days = 30
    step_size_days: Days = 30
    objective: Objective = "return_over_drawdown"
    grid: Annotated[dict[str, Values], Meta(max_length=8)] = {}


async def run_backtest(house: House, asked: BacktestAsked, user: str, key: str | None) -> Done:
    """Queue a backtest; `Done.id` is its id.

    Raises:
        InvalidInput: with the field at fault. LimitReached: too many jobs wait.
    """
    body = await _body(house, asked)
    if asked.monte_carlo:
        body = msgspec.structs.replace(body, monte_carlo=_simulation(asked.config))
    title = f"Backtest of {asked.strategy} on {asked.symbol}"
    return await submit(house, user, key, Asked(BACKTEST, body, title, prefix="backtest_"))


def _simulation(config: BacktestConfig) -> MonteCarloWish:
    return MonteCarloWish(
        simulations=config.n_simulations,
        seed=config.seed,
        method=config.monte_carlo_method,
        block=config.block_length,
    )


async def run_walkforward(house: House, asked: WalkforwardAsked, user: str, key: str | None) -> tuple[Done, int]:
    """Queue a walk-forward; `Done.id` is its id. And how many folds it will have.

    Raises:
        InvalidInput: with the field at fault. LimitReached: too many jobs wait.
    """
    backtest = await _body(house, asked)
    windows = Windows(
        train_days=asked.train_window_days, test_days=asked.test_window_days, step_days=asked.step_size_days
    )
    recording = house.lookups.shelf.find(backtest.wish.recording or "")
    try:
        estimated = await _estimated(house, recording, backtest, windows)
    except InvalidInput as error:
        raise _at(error, camel(error.field or "")) from None
    body = WalkforwardBody(
        backtest=backtest, windows=windows, objective=asked.objective, grid=_grid(house, asked, backtest)
    )
    title = f"Walk-forward of {asked.strategy} on {asked.symbol}"
    return await submit(house, user, key, Asked(WALKFORWARD, body, title, prefix="wf_")), estimated


async def _estimated(house: House, recording: Recording, body: BacktestBody, windows: Windows) -> int:
    """How many folds there will be; over many rows by the lengths of the bars alone. Raises InvalidInput."""
    whole = recording.whole()
    last_ns = whole.last_event_ns + 1
    if whole.rows <= COUNTED_ROWS_MAX:
        wanted = Bars(body.bars, body.bar_ns, number_of(recording, body.symbol))
        part = await last_bars(house.tape, RecordingReader(house.tape), recording, Span(), wanted)
        return len(folds(max(part.span.first_ns or 0, whole.first_event_ns), last_ns, windows))
    with suppress(InvalidInput):
        return len(folds(max(last_ns - body.bars * body.bar_ns, whole.first_event_ns), last_ns, windows))
    return len(folds(whole.first_event_ns, last_ns, windows))


def _grid(house: House, asked: WalkforwardAsked, body: BacktestBody) -> tuple[Params, ...]:
    only = body.wish.strategies[0]
    found = house.lookups.library().configured.get(only.strategy)
    kind = house.lookups.registry[found.form.kind if found else only.strategy]
    params = {**(found.form.params if found else {}), **only.params}
    try:
        return grid(kind, params, asked.grid) if asked.grid else usual_grid(kind, params)
    except InvalidInput as error:
        raise _at(error, "grid") from None


async def _body(house: House, asked: ReplayAsked) -> BacktestBody:
    """The job, checked as of now. Raises InvalidInput with the contract's name of the field."""
    await house.lookups.current(house.tape)
    defaults = (await configuration.current(house, Moment())).value.whole
    recording, instrument = await replayed(house, asked, TIMEFRAME_NS[asked.timeframe])
    config = _completed(asked.config, defaults)
    _check_risk(config)
    wish = SessionWish(
        mode="backtest",
        symbols=(instrument.symbol,),
        recording=recording.id,
        strategies=(StrategyWish(strategy=asked.strategy, params=asked.params, timeframe=asked.timeframe),),
        limits=_limits(config),
        seed=asked.config.seed,
    )
    details = Details(asked.timeframe, msgspec.to_builtins(msgspec.structs.replace(asked, config=config)))
    body = BacktestBody(
        wish=wish,
        symbol=instrument.symbol,
        bars=asked.bars,
        bar_ns=TIMEFRAME_NS[asked.timeframe],
        in_pips=_in_pips(config, instrument, asked.realistic_mode),
        details=msgspec.Raw(msgspec.json.encode(details)),
    )
    return await _fixed(house, body)


async def _fixed(house: House, body: BacktestBody) -> BacktestBody:
    """See `fixed`; an error of the timeframe is of this body's field."""
    library = house.lookups.library()
    try:
        body = fixed(body, library)
    except InvalidInput as error:
        raise _at(error, "timeframe") if error.field == "params.timeframe" else error from None
    await check_bars(house, body, library, "timeframe")
    return body


def _completed(config: BacktestConfig, defaults: Configuration) -> BacktestConfig:
    """With what is configured where nothing is named."""
    backtest, risk = defaults.backtest, defaults.risk
    usual = {
        "initial_balance": backtest.initial_balance,
        "leverage": backtest.leverage,
        "spread_pips": backtest.spread_pips,
        "commission_per_lot": backtest.commission_per_lot,
        "stop_loss_pips": risk.default_stop_loss_pips,
        "take_profit_pips": risk.default_take_profit_pips,
        "max_position_size": risk.max_position_size,
        "max_daily_loss": risk.max_daily_loss,
    }
    if config.risk_per_trade is None:
        most = risk.max_position_size if config.max_position_size is None else config.max_position_size
        usual["risk_per_trade"] = min(RISK_PER_TRADE, most or RISK_PER_TRADE)
    missing = {name: value for name, value in usual.items() if getattr(config, name) is None}
    return msgspec.structs.replace(config, **missing)


def _check_risk(config: BacktestConfig) -> None:
    """Raises InvalidInput: an entry would risk more than a position may."""
    most = config.max_position_size or 0.0
    risk = config.risk_per_trade or 0.0
    if most and risk > most:
        raise InvalidInput(
            f"riskPerTrade is {risk:g}, above maxPositionSize, which is {most:g}.",
            field="config.riskPerTrade",
            hint="Name a greater config.maxPositionSize; where it is not named, risk.maxPositionSize is configured.",
        )


def _limits(config: BacktestConfig) -> SessionLimits:
    """The account: sized by risk, with buying power, and no fees of instruments."""
    costs = SessionCosts(
        instrument_fees=False, leverage=config.leverage or 0.0, risk_ratio=config.risk_per_trade or 0.0
    )
    # the volume of a currency pair counts price changes, not units: it bounds no fill
    return SessionLimits(
        cash=config.initial_balance or 0.0,
        global_cap=0.0,
        fill_ratio_max=0.0,
        daily_loss_ratio=config.max_daily_loss or 0.0,
        position_risk_ratio=config.max_position_size or 0.0,
        costs=costs,
    )


def _in_pips(config: BacktestConfig, instrument: InstrumentRegistered, realistic: bool) -> InPips:
    """Exits, and costs where they are asked for."""
    usual, on = pair_units(instrument), float(realistic)
    return InPips(
        stop_loss=config.stop_loss_pips or 0.0,
        take_profit=config.take_profit_pips or 0.0,
        spread=(config.spread_pips or 0.0) * on,
        slippage=config.slippage_pips * on,
        commission=(config.commission_per_lot or 0.0) * on,
        pip=config.pip_size or usual.pip,
        lot=config.lot_size or usual.lot,
    )


def _at(error: InvalidInput, field: str) -> InvalidInput:
    return InvalidInput(error.message, code=error.code, field=field, hint=error.hint)
