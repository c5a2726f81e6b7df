"""Kind `montecarlo`: what a session that ended might have come to, had its trades or its returns come otherwise."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from engine.jobs.kind import Kind
from engine.jobs.work import Work
from engine.loop.spec import costs_of
from engine.research.metrics.equity import Floats
from engine.research.metrics.session_result import SessionResult
from engine.research.montecarlo import (
    CELLS_MAX,
    Method,
    MonteCarlo,
    MonteCarloWish,
    Told,
    of_returns,
    of_trades,
    silent,
)
from engine.research.outcome import Outcome, outcome
from engine.sessions import history as histories
from engine.sessions.history import History
from events.errors import Conflict
from events.facts import SessionSpec


class MonteCarloBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which session, and how to simulate."""

    session: Annotated[str, Meta(min_length=1, max_length=128)]
    wish: MonteCarloWish = MonteCarloWish()


class MonteCarloResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the simulations came to. `equity` is what the session itself came to, a share of its capital."""

    session: str
    decision_hash: str
    cash: float
    equity: float
    monte_carlo: MonteCarlo


async def montecarlo(body: MonteCarloBody, work: Work) -> MonteCarloResult:
    """Read what the session decided, simulate.

    Raises:
        Unknown: there is no such session. Conflict: it has not ended, or kept no decisions.
        InvalidInput: it has nothing to draw from.
    """
    await work.progress(0.0, f"Reads session {body.session}")
    history = await histories.read(work.tape, body.session)
    done = _Done()
    making = asyncio.to_thread(_result, history, body.wish, done.note)
    return await work.during(making, lambda: done.ratio, f"Makes {body.wish.simulations:,} simulations")


class _Done:
    """The share of the simulations that is made, as the thread says that makes them."""

    def __init__(self) -> None:
        self.ratio = 0.0

    def note(self, ratio: float) -> None:
        self.ratio = ratio


def _result(history: History, wish: MonteCarloWish, told: Told) -> MonteCarloResult:
    spec, ended = history.started.spec, history.ended
    if ended is None:
        raise Conflict(f"Session {spec.session} has not ended.", field="session")
    if spec.grid or not spec.strategies:
        raise Conflict(f"Session {spec.session} kept no decisions to draw from.", field="session")
    return MonteCarloResult(
        session=spec.session,
        decision_hash=ended.decision_hash,
        cash=spec.limits.cash,
        equity=ended.equity / spec.limits.cash if spec.limits.cash else 0.0,
        monte_carlo=simulated(outcome(history), wish, told),
    )


def simulated(came_to: Outcome, wish: MonteCarloWish, told: Told = silent) -> MonteCarlo:
    """Of an ended session. Of so many values that paths were too long: fewer simulations, and the result says how many.

    Raises:
        InvalidInput: there is nothing to draw from.
    """
    values = drawn_from(came_to, wish.method)
    simulations = max(1, min(wish.simulations, CELLS_MAX // max(1, values.size)))
    wish = msgspec.structs.replace(wish, simulations=simulations)
    if wish.method == "returns":
        return of_returns(values, wish, told)
    return of_trades(values, wish, told, compounding=sizes_by_equity(came_to.spec))


def drawn_from(came_to: Outcome, method: Method) -> Floats:
    """Profits of the trades that ended, shares of the capital, or of the equity before their entry where that decides
    their sizes; or the returns per period as the metrics have them.

    Empty where there are none, where the session began without capital, or where its equity fell to zero, of shares of
    equity before an entry.
    """
    result = SessionResult(came_to.curve, came_to.trades, came_to.measurements.annualisation)
    if result.initial <= 0.0 or (method == "returns" and result.ruined()):
        return np.empty(0)
    if method == "returns":
        return result.returns
    profits = np.asarray(result.closed["pnl"], np.float64)
    if not sizes_by_equity(came_to.spec):
        return profits / result.initial
    before = equity_before(came_to)
    return profits / before if (before > 0.0).all() else np.empty(0)


def sizes_by_equity(spec: SessionSpec) -> bool:
    """Whether the size of an entry that names none is a share of the equity (`engine.loop.decide.by_risk`)."""
    return costs_of(spec.limits).risk_ratio > 0.0 and spec.limits.stop_loss_ratio > 0.0


def equity_before(came_to: Outcome) -> Floats:
    """Equity at the last point before each ended trade's entry, quote currency: what its size went by."""
    curve, ended = came_to.curve, came_to.trades[came_to.trades["open"] == 0]
    places = np.searchsorted(curve.ts_ns, ended["entry_ns"], "left") - 1
    return curve.equity[np.maximum(places, 0)]


KIND = Kind(name="montecarlo", body=MonteCarloBody, do=montecarlo)
