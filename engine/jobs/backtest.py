"""Kind `backtest`: one session over a recording, or over what is recorded of a symbol in a range, and its metrics."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec
import numpy as np

from engine.jobs.kind import Kind
from engine.jobs.montecarlo import drawn_from, simulated
from engine.jobs.work import Work
from engine.loop.spec import costs_of
from engine.recordings.choosing import chosen, number_of
from engine.recordings.last_bars import Bars, last_bars
from engine.recordings.shelf import Recording
from engine.recordings.stretches import Span, Stretch, first_price, stretch
from engine.research.metrics.measure import Measurements
from engine.research.montecarlo import MonteCarlo, MonteCarloWish
from engine.research.outcome import Outcome, outcome
from engine.research.pips import InPips, Units, dealt, units, with_exits
from engine.sessions.history import History
from engine.sessions.plan import SessionWish
from events.errors import Bug
from events.facts import SessionLimits, SessionSpec
from events.rows import Code, SectionKind


class BacktestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to replay. `wish` names a recording, or `symbol` and a span say what is looked for; `span` cuts either."""

    wish: SessionWish
    symbol: str = ""
    span: Span = Span()
    bars: int = 0  # only the last so many of the span in which `symbol` traded, each `bar_ns` long; 0: all of it
    bar_ns: int = 0
    in_pips: InPips | None = None  # exits and costs of dealing; None: as the limits say
    stop_distance: float = 0.0  # what older jobs have instead: of the stop loss, quote currency at the first price
    target_distance: float = 0.0
    monte_carlo: MonteCarloWish | None = None
    details: msgspec.Raw = msgspec.Raw(b"null")  # JSON of whoever asked; nothing here reads it


class BacktestDetail(msgspec.Struct, frozen=True):
    """Figures of one that runs: how much it replays, 0 where it is not known before."""

    bars: int = 0  # where bars were asked for
    rows: int = 0  # of a whole recording


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True):
    """What it came to. Money in the session's quote currency, ratios as shares of one, times ns UTC."""

    session: str
    recording: str
    symbols: tuple[str, ...]
    strategies: tuple[str, ...]
    first_ns: int  # of the rows that were read
    last_ns: int
    rows: int
    cash: float
    equity: float
    decision_hash: str
    measurements: Measurements
    monte_carlo: MonteCarlo | None = None
    denials: dict[str, int] = {}  # how many of each code
    currency: str = ""  # of all money here; empty in results of older releases, which did not keep it
    maker_fee_ratio: float | None = None  # that fills paid, share of the notional; None: unlike, or not kept
    taker_fee_ratio: float | None = None
    units: Units | None = None  # in force, where it was asked for in pips


async def backtest(body: BacktestBody, work: Work) -> BacktestResult:
    """Plan, run, measure.

    Raises:
        InvalidInput, Unknown, Conflict: the wish cannot be planned. SessionBroke: it did not run to its end.
    """
    replay = await planned(body, work)
    history = await work.run(await work.plan(replay.wish))
    result = await asyncio.to_thread(result_of, history, replay.rows, body.monte_carlo)
    return msgspec.structs.replace(result, units=replay.units)


class Replay(NamedTuple):
    """A wish with the recording and the rows that it means, and the units in force where it asked in pips."""

    wish: SessionWish
    rows: Stretch
    units: Units | None


async def planned(body: BacktestBody, work: Work) -> Replay:
    """What is to be run, with nothing left open. Raises InvalidInput, Unknown, Conflict."""
    wish = body.wish
    symbol = body.symbol or next(iter(wish.symbols), "")
    recording = await recorded(wish.recording or "", symbol, body.span, work)
    found = await stretch(work.tape, recording, await _span(body, recording, symbol, work))
    symbols = wish.symbols or ((body.symbol,) if body.symbol else ())
    if work.detail is None and _is_whole(recording, found, symbols):
        work.has(BacktestDetail(rows=recording.whole().rows))
    price = 0.0
    if body.in_pips or body.stop_distance or body.target_distance:
        price = await first_price(work.tape, recording, number_of(recording, symbol), found.first)
    changed = msgspec.structs.replace(
        wish,
        mode="backtest",
        recording=recording.id,
        symbols=symbols,
        first=found.first,
        last=found.last,
        limits=_limits(body, price),
    )
    return Replay(changed, found, units(body.in_pips, price) if body.in_pips else None)


def _limits(body: BacktestBody, price: float) -> SessionLimits:
    """With what is known at the first price."""
    limits = body.wish.limits
    if body.in_pips:
        return dealt(limits, body.in_pips, price)
    if body.stop_distance or body.target_distance:
        return with_exits(limits, body.stop_distance, body.target_distance, price)
    return limits


def _is_whole(recording: Recording, found: Stretch, symbols: tuple[str, ...]) -> bool:
    """Whether every row of a recording is replayed."""
    whole = recording.whole()
    every = not symbols or set(symbols) == set(recording.opened.symbols)
    return every and (found.first, found.last) == (whole.first, whole.last)


async def _span(body: BacktestBody, recording: Recording, symbol: str, work: Work) -> Span:
    if not (body.bars and body.bar_ns):
        return body.span
    wanted = Bars(body.bars, body.bar_ns, number_of(recording, symbol))
    ending = await last_bars(work.tape, work.tools.around.reader, recording, body.span, wanted)
    work.has(BacktestDetail(ending.bars))
    return ending.span


async def recorded(name: str, symbol: str, span: Span, work: Work) -> Recording:
    """The recording of an id, else the one that covers a span of a symbol. Raises InvalidInput."""
    library = await work.tools.library()
    return chosen(library.shelf, library.catalogue, name, symbol, span)


def result_of(history: History, found: Stretch, wish: MonteCarloWish | None = None) -> BacktestResult:
    """The result of an ended session. Raises InvalidInput where its curve has too many periods."""
    spec, ended = history.started.spec, history.ended
    if ended is None:
        raise Bug(f"Session {spec.session} was followed to an end that it has not.")
    came_to = outcome(history)
    return BacktestResult(
        session=spec.session,
        recording=spec.input.recording or "",
        symbols=tuple(one.symbol for one in spec.instruments),
        strategies=strategies_of(spec),
        first_ns=found.first_ns,
        last_ns=found.last_ns,
        rows=ended.inputs,
        cash=spec.limits.cash,
        equity=ended.equity,
        decision_hash=ended.decision_hash,
        measurements=came_to.measurements,
        monte_carlo=monte_carlo(came_to, wish) if wish else None,
        denials=denials_of(history),
        currency=spec.instruments[0].quote,
        maker_fee_ratio=_fee_ratio(spec, "maker_fee_ratio"),
        taker_fee_ratio=_fee_ratio(spec, "taker_fee_ratio"),
    )


def _fee_ratio(spec: SessionSpec, name: str) -> float | None:
    """The fee that all instruments of a session have; None where they differ."""
    if not costs_of(spec.limits).instrument_fees:
        return 0.0
    found = {getattr(one, name) for one in spec.instruments}
    return found.pop() if len(found) == 1 else None


def denials_of(history: History) -> dict[str, int]:
    """How many orders were denied for which reason."""
    codes, counts = np.unique(history.held.rows(SectionKind.DENIAL, 0)["code"], return_counts=True)
    return {Code(code).name: count for code, count in zip(codes.tolist(), counts.tolist(), strict=True)}


def monte_carlo(came_to: Outcome, wish: MonteCarloWish) -> MonteCarlo | None:
    """What a session might have come to; None where it has nothing to draw from."""
    return simulated(came_to, wish) if drawn_from(came_to, wish.method).size else None


def strategies_of(spec: SessionSpec) -> tuple[str, ...]:
    """Ids of the strategies of a session."""
    return tuple(one.strategy for one in spec.strategies)


KIND = Kind(name="backtest", body=BacktestBody, do=backtest)
