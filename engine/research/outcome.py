"""What an ended session came to, from its own log alone: curve, trades, metrics, and its report."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.recordings.reading import RecordingReader
from engine.research.metrics.equity import Curve, curve_from_marks
from engine.research.metrics.measure import Measurements, measure
from engine.research.metrics.trades import trades_from_fills, with_excursions
from engine.research.report import PriceSeries, ReportData
from engine.research.verify import Verdict, window_of
from engine.sessions.history import History
from engine.sessions.lanes import lanes_of
from events.clock import NS_PER_SECOND, iso
from events.facts import SessionSpec
from events.rows import Rows, SectionKind

SAMPLE_NS = NS_PER_SECOND  # a report draws the last price of each second


class Outcome(NamedTuple):
    """A session's results. `trades` is TRADE_DTYPE[n]."""

    spec: SessionSpec
    curve: Curve
    trades: Rows
    measurements: Measurements


def outcome(history: History) -> Outcome:
    """Curve, trades and metrics. Raises InvalidInput where the curve has too many periods."""
    spec = history.started.spec
    curve = curve_from_marks(history.held.rows(SectionKind.MARK, 0), spec.limits.cash)
    trades = trades_from_fills(history.held.rows(SectionKind.FILL, 0))
    return Outcome(spec, curve, trades, measure(curve, trades))


async def prices(history: History, reader: RecordingReader) -> tuple[PriceSeries, ...]:
    """The last price of each second and instrument of the rows that the session read."""
    numbers = [one.number for one in history.started.spec.instruments]
    found: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {number: [] for number in numbers}
    async for item in window_of(history, reader):
        field = "close" if item.kind is SectionKind.BAR else "price"
        for number in numbers:
            mine = item.rows["instrument"] == number
            if item.kind is SectionKind.MARKET:
                mine &= item.rows["kind"] == 1
            times, values = item.rows["ts_event_ns"][mine], item.rows[field][mine]
            last = np.flatnonzero(np.append(np.diff(times // SAMPLE_NS) != 0, [True] * bool(len(times))))
            found[number].append((times[last], values[last]))
    return tuple(_series(number, parts) for number, parts in found.items() if parts)


def _series(number: int, parts: list[tuple[np.ndarray, np.ndarray]]) -> PriceSeries:
    times = np.maximum.accumulate(np.concatenate([part[0] for part in parts]).astype(np.int64))
    values = np.concatenate([part[1] for part in parts]).astype(np.float64)
    return PriceSeries(instrument=number, ts_ns=times, price=values)


async def report_data(history: History, reader: RecordingReader, verdict: Verdict | None = None) -> ReportData:
    """What `render_report` draws."""
    found = outcome(history)
    spec, trades = found.spec, found.trades
    series = await prices(history, reader)
    for one in series:
        trades = with_excursions(trades, one.instrument, one.ts_ns, one.price)
    return ReportData(
        title=spec.name or spec.session,
        facts=_facts(history),
        decision_hash=history.ended.decision_hash if history.ended else "",
        verified=verified_line(verdict) if verdict else "",
        verified_good=verdict.equal if verdict else None,
        quote=spec.instruments[0].quote,
        curve=found.curve,
        trades=trades,
        measurements=found.measurements,
        instruments={one.number: one.symbol for one in spec.instruments},
        lanes={lane.number: lane.strategy.strategy for lane in lanes_of(spec)},
        prices=series,
    )


def verified_line(verdict: Verdict) -> str:
    """One line of a verification."""
    if verdict.equal:
        return f"verified {verdict.session}: {verdict.rows:,} rows equal, hash {verdict.decision_hash}"
    word = "cannot be compared" if verdict.equal is None else "DIVERGED"
    return f"{word} {verdict.session}: {verdict.detail}"


def _facts(history: History) -> tuple[tuple[str, str], ...]:
    spec, ended = history.started.spec, history.ended
    return (
        ("Session", spec.session),
        ("Mode", spec.mode),
        ("Strategies", ", ".join(one.strategy for one in spec.strategies)),
        ("Symbols", ", ".join(one.symbol for one in spec.instruments)),
        ("Source", f"{spec.input.source}, {spec.input.recording or 'live tail'}"),
        ("Started", iso(history.started.started_ns)),
        ("Ended", iso(ended.ended_ns) if ended else ""),
        ("Capital", f"{spec.limits.cash:,.2f} {spec.instruments[0].quote}"),
        ("Inputs", f"{ended.inputs:,} rows" if ended else ""),
        ("Code", spec.code_hash[:16]),
    )
