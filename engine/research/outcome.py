"""What an ended session came to, from its own log alone: curve, trades, metrics, and its report."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.recordings.reading import RecordingReader
from engine.research.metrics.annualisation import Annualisation, annualisation_for
from engine.research.metrics.equity import Curve, curve_from_marks
from engine.research.metrics.measure import Measurements, measure
from engine.research.metrics.trades import trades_from_fills, with_excursions
from engine.research.report import PriceSeries, ReportData, clock
from engine.research.verify import Verdict, window_of
from engine.sessions.history import History
from engine.sessions.lanes import lanes_of
from events.clock import NS_PER_SECOND
from events.facts import SessionSpec
from events.rows import Rows, SectionKind

SAMPLE_NS = NS_PER_SECOND  # a report draws the last price of each second


class Outcome(NamedTuple):
    """A session's results. `trades` is TRADE_DTYPE[n]."""

    spec: SessionSpec
    curve: Curve
    trades: Rows
    measurements: Measurements


def outcome(history: History, series: tuple[PriceSeries, ...] = ()) -> Outcome:
    """Curve, trades and metrics; with the `prices` of the session also the worst and best price while held.

    An open trade is valued at its instrument's last price: that of the series, else what the last mark says where one
    instrument alone is held; else at its newest fill.

    Raises:
        InvalidInput: the curve has too many periods.
    """
    spec = history.started.spec
    marks, fills = history.held.rows(SectionKind.MARK, 0), history.held.rows(SectionKind.FILL, 0)
    curve = curve_from_marks(marks, spec.limits.cash)
    last = {one.instrument: (int(one.ts_ns[-1]), float(one.price[-1])) for one in series if len(one.ts_ns)}
    trades = trades_from_fills(fills, last or last_of_one(marks, fills))
    for one in series:
        trades = with_excursions(trades, one.instrument, one.ts_ns, one.price)
    return Outcome(spec, curve, trades, measure(curve, trades, usual_annualisation(curve, spec)))


def usual_annualisation(curve: Curve, spec: SessionSpec) -> Annualisation:
    """By the length of a session and the markets that its instruments trade on."""
    return annualisation_for(curve.span_ns, [one.asset_type for one in spec.instruments])


def last_of_one(marks: Rows, fills: Rows) -> dict[int, tuple[int, float]]:
    """The last price of the one instrument that is held, out of the last mark: equity is cash and its worth."""
    newest = {(int(fill["lane"]), int(fill["instrument"])): float(fill["position"]) for fill in fills}
    held = {key[1] for key, position in newest.items() if position}
    position = sum(newest.values())
    if len(held) != 1 or not position or not len(marks):
        return {}
    mark = marks[-1]
    return {held.pop(): (int(mark["ts_event_ns"]), (float(mark["equity"]) - float(mark["cash"])) / position)}


async def prices(history: History, reader: RecordingReader) -> tuple[PriceSeries, ...]:
    """The last price of each second and instrument of the rows that the session read and could trade."""
    begin_ns = history.started.spec.input.trade_from_ns
    numbers = [one.number for one in history.started.spec.instruments]
    found: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {number: [] for number in numbers}
    async for item in window_of(history, reader):
        field = "close" if item.kind is SectionKind.BAR else "price"
        for number in numbers:
            mine = (item.rows["instrument"] == number) & (item.rows["ts_event_ns"] >= begin_ns)
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
    series = await prices(history, reader)
    found = outcome(history, series)
    spec, trades = found.spec, found.trades
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
        ("Started", clock(history.started.started_ns)),
        ("Ended", clock(ended.ended_ns) if ended else ""),
        ("Capital", f"{spec.limits.cash:,.2f} {spec.instruments[0].quote}"),
        ("Inputs", f"{ended.inputs:,} rows" if ended else ""),
        ("Code", spec.code_hash[:16]),
    )
