"""Backtests of contract 001: from its body to a job, checked against what is recorded before anything is appended."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.house import House
from api.reading.asking import ns_of
from api.reading.reader import INSTRUMENT
from api.services import learning
from api.services.acting import Done
from api.services.jobs import Asked, submit
from engine.jobs.backtest import BacktestBody
from engine.recordings.choosing import DEALT, chosen, full_name, instrument_of
from engine.recordings.stretches import Span
from engine.sessions import source_bars
from engine.sessions.plan import Library, SessionWish, StrategyWish, configured_wishes, plan
from events.errors import InvalidInput, Unknown
from events.facts import SessionLimits
from events.facts.timeframes import Timeframe
from events.misfits import fitted
from events.symbols import spelled

KIND = "backtest"
NAME_MAX = 128

Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
Day = Annotated[str, Meta(max_length=64, description="ISO 8601")]


class BacktestAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to replay."""

    strategy: Annotated[Name, Meta(description="a kind of strategy, or the id of a configured one")]
    symbol: Annotated[Name, Meta(description="or SYMBOL@VENUE; else of the venue that has most of the range")]
    start_date: Annotated[Day, Meta(description="from this event time on")]
    end_date: Annotated[Day, Meta(description="before this event time")]
    initial_capital: Annotated[float, Meta(gt=0, le=1e15)] = 10_000.0
    params: Annotated[
        dict[str, Any],
        Meta(
            description="parameters of the strategy, the timeframe of the bars it decides on (else as configured, else "
            "the rows as they come), and of the account: position_size (share of the capital of an entry), "
            "stop_loss_pct, take_profit_pct, trailing_stop_pct (shares of the price)"
        ),
    ] = {}
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    recording: Annotated[Name | None, Meta(description="id of what to replay; else the newest that covers")] = None


# parameters that are the account's, not the strategy's: (field of the limits, largest)
ACCOUNT: dict[str, tuple[str, float]] = {
    "position_size": ("order_notional", 1.0),
    "stop_loss_pct": ("stop_loss_ratio", 1.0),
    "take_profit_pct": ("take_profit_ratio", 100.0),
    "trailing_stop_pct": ("trailing_ratio", 1.0),
}
TIMEFRAME = "timeframe"  # a parameter that is the session's
ABOVE_ZERO = ("position_size",)  # of the others, 0 is without
# where an error of the plan lies in this body
FIELDS = {
    "symbols": "symbol",
    "limits.cash": "initial_capital",
    "limits.global_cap": "initial_capital",
    "strategies[0].timeframe": "params.timeframe",
} | {f"limits.{limit}": f"params.{name}" for name, (limit, _) in ACCOUNT.items()}


async def run(house: House, asked: BacktestAsked, user: str, key: str | None) -> Done:
    """Queue a backtest; `Done.id` is its id.

    Raises:
        InvalidInput: with the field at fault; of a range, what is recorded. LimitReached: too many jobs wait.
    """
    await house.lookups.current(house.tape)
    library = house.lookups.library()
    body = fixed(body_of(asked), library)
    await check_bars(house, body, library, bars_field(asked))
    title = f"Running backtest for {body.symbol}..."
    return await submit(house, user, key, Asked(KIND, body, title))


def body_of(asked: BacktestAsked) -> BacktestBody:
    """The job that a body asks for. Raises InvalidInput; NotAvailable: a model would decide."""
    first, until = ns_of(asked.start_date, "start_date"), ns_of(asked.end_date, "end_date")
    account = {name: _share(name, asked.params[name]) for name in ACCOUNT if name in asked.params}
    wish = SessionWish(
        mode="backtest",
        recording=asked.recording,
        symbols=(asked.symbol,),
        strategies=(StrategyWish(strategy=asked.strategy, params=_params(asked), timeframe=_timeframe(asked)),),
        limits=_limits(asked.initial_capital, account),
        seed=asked.seed,
    )
    learning.check_kind(asked.strategy)
    return BacktestBody(wish=wish, symbol=asked.symbol, span=Span(first, until))


def fixed(body: BacktestBody, library: Library) -> BacktestBody:
    """The job with all that is looked up, as of now: what is imported or configured later does not change it.

    Raises:
        InvalidInput: it cannot be planned; with the contract's name of the field.
    """
    text = spelled(body.symbol, library.shelf.symbols())
    strategies = configured_wishes(body.wish.strategies, body.wish.mode, library)
    kinds = kinds_of(strategies, library)
    recording = chosen(library.shelf, library.catalogue, body.wish.recording or "", text, body.span, kinds)
    symbol = text.partition("@")[0]
    wish = msgspec.structs.replace(body.wish, recording=recording.id, strategies=strategies, symbols=(symbol,))
    try:
        plan(wish, "check", "check", library)
    except Unknown as error:
        raise InvalidInput(error.message, field=_field(error.field), hint=error.hint) from None
    except InvalidInput as error:
        raise InvalidInput(error.message, code=error.code, field=_field(error.field), hint=error.hint) from None
    return msgspec.structs.replace(body, wish=wish, symbol=symbol)


def kinds_of(strategies: tuple[StrategyWish, ...], library: Library) -> int:
    """Kinds of rows that strategies decide on, bit k for kind k; of those that are not there what most decide on."""
    kinds = 0
    for one in strategies:
        with suppress(Unknown):  # told by the plan
            kinds |= library.kinds(one.strategy)
    return kinds or DEALT


def instrument_header(house: House, body: BacktestBody) -> dict[str, str]:
    """The header that says which venue's instrument a fixed job replays; none of a job that looks for it itself."""
    if not body.wish.recording:
        return {}
    recording = house.lookups.shelf.find(body.wish.recording)
    return {INSTRUMENT: full_name(instrument_of(recording, body.symbol, house.lookups.catalogue))}


async def check_bars(house: House, body: BacktestBody, library: Library, field: str) -> None:
    """Whether its strategies can decide on the bars of a fixed job's recording. Raises InvalidInput of this field."""
    await source_bars.check_bars(house.tape, plan(body.wish, "check", "check", library), library, field)


def account_of(limits: SessionLimits) -> dict[str, float]:
    """The account's parameters of a body that led to these limits, without those that are 0: none."""
    found = {name: getattr(limits, limit) for name, (limit, _) in ACCOUNT.items()}
    found["position_size"] = float(f"{found['position_size'] / limits.cash:.12g}")  # as asked, not as multiplied
    return {name: value for name, value in found.items() if value}


def bars_field(asked: BacktestAsked) -> str:
    """Where a body names the timeframe."""
    return f"params.{TIMEFRAME}" if TIMEFRAME in asked.params else "strategy"


def _timeframe(asked: BacktestAsked) -> Timeframe | UnsetType:
    """Of the body's params; not set where they name none. Raises InvalidInput."""
    given = asked.params.get(TIMEFRAME)
    return UNSET if given is None else fitted(given, Timeframe, at=f"params.{TIMEFRAME}")


def _field(field: str | None) -> str:
    """The name in this body of a field that the plan names."""
    known = FIELDS.get(field or "", field or "").removeprefix("strategies[0].")
    return known if known.split(".")[0] in BacktestAsked.__struct_fields__ else "strategy"


def _limits(capital: float, account: dict[str, float]) -> SessionLimits:
    given: dict[str, Any] = {ACCOUNT[name][0]: value for name, value in account.items()}
    if "order_notional" in given:
        given["order_notional"] *= capital
    return SessionLimits(cash=capital, global_cap=capital, **given)


def _share(name: str, value: Any) -> float:
    most = ACCOUNT[name][1]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise InvalidInput(f"params.{name} must be a number from 0 to {most:g}.", field=f"params.{name}")
    if not value and name in ABOVE_ZERO:
        raise InvalidInput(f"params.{name} must be above 0, and at most {most:g}.", field=f"params.{name}")
    return float(value)


def _params(asked: BacktestAsked) -> dict[str, float | int | bool]:
    """Those of the strategy. Raises InvalidInput."""
    others = (*ACCOUNT, TIMEFRAME, *(learning.MODEL_PARAMS if asked.strategy in learning.KINDS else ()))
    found = {name: value for name, value in asked.params.items() if name not in others}
    for name, value in found.items():
        if isinstance(value, float):
            fits = math.isfinite(value)
        else:
            fits = isinstance(value, bool | int) and abs(value) < 2**63
        if not fits:
            field = f"params.{name[:NAME_MAX]}"
            raise InvalidInput(f"{field} must be a number, true or false.", field=field)
    return found
