"""Kind `backtest`: one session over a recording, or over what is recorded of a symbol in a range, and its metrics."""

from __future__ import annotations

import asyncio

import msgspec

from engine.jobs.kind import Kind
from engine.jobs.work import Work
from engine.recordings.stretches import Span, Stretch, covering, stretch
from engine.research.metrics.measure import Measurements
from engine.research.outcome import outcome
from engine.sessions.history import History
from engine.sessions.plan import SessionWish
from events.errors import Bug
from events.facts import SessionSpec


class BacktestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to replay. `wish` names a recording, or `symbol` and a span say what is looked for; `span` cuts either."""

    wish: SessionWish
    symbol: str = ""
    span: Span = Span()


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


async def backtest(body: BacktestBody, work: Work) -> BacktestResult:
    """Plan, run, measure.

    Raises:
        InvalidInput, Unknown, Conflict: the wish cannot be planned. SessionBroke: it did not run to its end.
    """
    wish, found = await planned(body, work)
    history = await work.run(await work.plan(wish))
    return await asyncio.to_thread(result_of, history, found)


async def planned(body: BacktestBody, work: Work) -> tuple[SessionWish, Stretch]:
    """The wish with the recording and the rows that it means. Raises InvalidInput, Unknown, Conflict."""
    wish, shelf = body.wish, (await work.tools.library()).shelf
    if wish.recording:
        recording = shelf.find(wish.recording)
    else:
        recording = covering(shelf, body.symbol or next(iter(wish.symbols), ""), body.span)
    found = await stretch(work.tape, recording, body.span)
    symbols = wish.symbols or ((body.symbol,) if body.symbol else ())
    changed = msgspec.structs.replace(
        wish, mode="backtest", recording=recording.id, symbols=symbols, first=found.first, last=found.last
    )
    return changed, found


def result_of(history: History, found: Stretch) -> BacktestResult:
    """The result of an ended session. Raises InvalidInput where its curve has too many periods."""
    spec, ended = history.started.spec, history.ended
    if ended is None:
        raise Bug(f"Session {spec.session} was followed to an end that it has not.")
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
        measurements=outcome(history).measurements,
    )


def strategies_of(spec: SessionSpec) -> tuple[str, ...]:
    """Ids of the strategies of a session."""
    return tuple(one.strategy for one in spec.strategies)


KIND = Kind(name="backtest", body=BacktestBody, do=backtest)
