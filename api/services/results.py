"""What a session has come to: its figures out of the read model, and its report with prices of the market store."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import msgspec
import numpy as np
import structlog

from engine.research.metrics.annualisation import Annualisation
from engine.research.metrics.equity import Curve, curve_from_marks
from engine.research.metrics.measure import Measurements, measure
from engine.research.metrics.trades import trades_from_fills, with_excursions
from engine.research.outcome import last_of_one, usual_annualisation
from engine.research.report import PriceSeries, ReportData, clock, render_report
from engine.research.verify import Verdict
from events.errors import InvalidInput, ReadModelUnavailable
from events.facts import SessionSpec, SessionVerified
from events.rows import Rows
from projections.duckdb.store import Snapshot
from projections.market_store import Interval, MarketQuery, MarketStore, Span
from projections.read_models import results, sessions
from projections.read_models.answers import Page
from projections.read_models.equity import mark_rows
from projections.read_models.fills import fill_rows
from projections.read_models.lanes import lane_rows
from projections.read_models.sessions import STATES_OVER, SessionRow

log = structlog.get_logger(__name__)

PRICES_MAX = 5_000  # drawn of one instrument


class Figures(NamedTuple):
    """A session as of a moment. `trades` is TRADE_DTYPE[n]; open ones are valued as `last_of_one` has it."""

    row: SessionRow
    spec: SessionSpec
    curve: Curve
    trades: Rows
    measurements: Measurements
    verified: SessionVerified | None


def figures(snapshot: Snapshot, session: str, annualisation: Annualisation | None = None) -> Figures:
    """Curve, trades and metrics of a session.

    Raises:
        Unknown: no such session.
        InvalidInput: the curve has too many periods.
        LimitReached: it has decided more rows than are read at once.
    """
    row, spec = sessions.session(snapshot, session), sessions.spec(snapshot, session)
    marks, fills = mark_rows(snapshot, session), fill_rows(snapshot, session)
    curve = curve_from_marks(marks, spec.limits.cash)
    trades = trades_from_fills(fills, last_of_one(marks, fills))
    found = results.results(snapshot, session, ("verified",), Page(limit=1, newest_first=True)).rows
    verified = msgspec.json.decode(found[0].body, type=SessionVerified) if found else None
    return Figures(
        row, spec, curve, trades, measure(curve, trades, annualisation or usual_annualisation(curve, spec)), verified
    )


async def report(found: Figures, market: MarketStore, verdict: Verdict | None = None) -> str:
    """One self-contained HTML page. Without the market store it has no prices, and says so."""
    notes: list[str] = []
    if found.row.state not in STATES_OVER:
        notes.append(f"The session is {found.row.state}: these figures are not its last.")
    prices: tuple[PriceSeries, ...] = ()
    try:
        prices = await _prices(found, market)
    except (ReadModelUnavailable, InvalidInput) as error:
        log.warning("report_without_prices", session=found.row.session, error=str(error))
        notes.append(f"Prices are not drawn: {error}")
    return await asyncio.to_thread(_rendered, found, prices, tuple(notes), verdict)


def _rendered(found: Figures, prices: tuple[PriceSeries, ...], notes: tuple[str, ...], verdict: Verdict | None) -> str:
    row, spec = found.row, found.spec
    trades = found.trades
    for one in prices:
        trades = with_excursions(trades, one.instrument, one.ts_ns, one.price)
    measurements = measure(found.curve, trades, found.measurements.annualisation) if prices else found.measurements
    good, line = _verified(found, verdict)
    lanes = {int(str(lane)): str(strategy or "by hand") for _, lane, strategy, *_ in lane_rows(0, spec)}
    data = ReportData(
        title=row.name or row.session,
        facts=_facts(row, spec),
        decision_hash=row.decision_hash,
        verified=line,
        verified_good=good,
        quote=spec.instruments[0].quote,
        curve=found.curve,
        trades=trades,
        measurements=measurements,
        instruments={one.number: one.symbol for one in spec.instruments},
        lanes=lanes,
        prices=prices,
        notes=notes,
    )
    return render_report(data)


def _verified(found: Figures, verdict: Verdict | None) -> tuple[bool | None, str]:
    if verdict is not None:
        if verdict.equal:
            return True, f"Verified: decided again, {verdict.rows:,} rows are equal."
        return verdict.equal, f"Not verified: {verdict.detail}"
    if found.verified is not None:
        fact = found.verified
        return fact.equal, f"Verified: {fact.rows:,} rows are equal." if fact.equal else f"Diverged: {fact.detail}"
    return None, ""


def _facts(row: SessionRow, spec: SessionSpec) -> tuple[tuple[str, str], ...]:
    over = spec.input.recording or "live tail"
    listed = [
        ("Session", row.session),
        ("Mode", row.mode),
        ("State", row.state if not row.reason else f"{row.state} ({row.reason})"),
        ("Strategies", ", ".join(row.strategies)),
        ("Symbols", ", ".join(row.symbols)),
        ("Source", f"{row.source}, {over}"),
        ("Started", clock(row.started_ns)),
        ("Ended", clock(row.ended_ns) if row.ended_ns else "–"),
        ("Capital", f"{spec.limits.cash:,.2f}"),
        ("Code", row.code_hash[:16]),
    ]
    return tuple((name, value) for name, value in listed if value)


async def _prices(found: Figures, market: MarketStore) -> tuple[PriceSeries, ...]:
    first, last = int(found.curve.ts_ns[0]), int(found.curve.ts_ns[-1])
    if last <= 0:
        return ()
    interval = next((one for one in Interval if (last - first) // one.ns < PRICES_MAX), Interval.D1)
    span = Span(first_ns=max(0, first // interval.ns * interval.ns), until_ns=last + 1, limit=PRICES_MAX)
    series = []
    for one in found.spec.instruments:
        query = MarketQuery(source=found.spec.input.source, instrument=one.number, span=span)
        rows = (await market.candles(query, interval)).rows
        ts_ns = rows["ts_last_ns"].astype(np.int64)
        series.append(PriceSeries(instrument=one.number, ts_ns=ts_ns, price=rows["close"].astype(np.float64)))
    return tuple(series)
