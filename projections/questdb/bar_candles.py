"""Candles, prices and statistics of sources that have bars and no trades.

A bar that was given more than once counts once, the one of the larger sequence: rows of one time stand in the table
in the order of the tape, so it is the last.
"""

from __future__ import annotations

import numpy as np

from events.errors import InvalidInput
from events.rows import Rows
from projections.market_store import CANDLE_ROW, PRICE_ROW, Interval, Limits, MarketQuery, Span
from projections.questdb.access import Console, quoted
from projections.questdb.reads import cut, forward, no_later, owned, within
from projections.questdb.tables import CANDLE_SELECT

_SECOND_NS = 1_000_000_000
_MS_NS = 1_000_000

_ONCE = (
    "last(open) open, last(high) high, last(low) low, last(close) close, last(volume) volume, "
    'last(trades) trades, last("sequence") seq'
)
_CANDLE = (
    "max(ts) ts_last, first(open) open, max(high) high, min(low) low, last(close) close, sum(volume) volume, "
    "sum(close * volume) turnover, sum(trades) trades, min(seq) first_sequence, max(seq) last_sequence"
)


def candles(console: Console, limits: Limits, query: MarketQuery, interval: Interval) -> Rows:
    """Candles of one instrument: CANDLE_ROW[n], oldest first.

    Raises:
        InvalidInput: it has bars, but none of an interval that divides this one; or too many.
    """
    conditions = owned(query) + no_later(query.as_of)
    length = _longest(console, limits, conditions, interval)
    if length is None:
        return np.empty(0, CANDLE_ROW)
    where = " AND ".join([*conditions, f"interval_ns = {length}"])
    sql = (
        f"SELECT {CANDLE_SELECT} FROM (SELECT ts, instrument, {_CANDLE} FROM "
        f"(SELECT ts, instrument, {_ONCE} FROM bars WHERE {where} SAMPLE BY {_unit(length)}) "
        f"SAMPLE BY {interval.value}) {cut(query.span)}"
    )
    return forward(console.rows(sql, CANDLE_ROW), query.span)


def _longest(console: Console, limits: Limits, conditions: list[str], interval: Interval) -> int | None:
    """Length in ns of the longest bars that candles of this interval can be made of; None where there are no bars."""
    sql = f"SELECT interval_ns, count() FROM bars WHERE {' AND '.join(conditions)}"
    found = dict(console.ask(sql))
    fit = [length for length in found if interval.ns % length == 0]
    if found and not fit:
        lengths = ", ".join(f"{length / _SECOND_NS:g} s" for length in sorted(found))
        raise InvalidInput(
            f"There are bars of {lengths} only, and none of them divides {interval.value}.",
            field="interval",
            hint="Ask for a longer interval.",
        )
    if fit and found[max(fit)] > limits.as_of_rows_max:
        raise InvalidInput(
            f"Candles have to be computed from {found[max(fit)]} bars; the limit is {limits.as_of_rows_max}.",
            field="first_ns",
            hint="Ask for a shorter span.",
        )
    return max(fit, default=None)


def _unit(length_ns: int) -> str:
    """A length as SAMPLE BY takes it."""
    if length_ns % _SECOND_NS == 0:
        return f"{length_ns // _SECOND_NS}s"
    return f"{length_ns // _MS_NS}T" if length_ns % _MS_NS == 0 else f"{length_ns}n"


def prices(console: Console, source: str, as_of: int | None) -> Rows:
    """The close of each instrument's newest bar: PRICE_ROW[n]."""
    where = " AND ".join([f"source = {quoted(source)}", *no_later(as_of)])
    return console.rows(
        "SELECT ts::long + interval_ns ts_event_ns, close price, instrument::int instrument, 0 pad "
        f"FROM bars WHERE {where} LATEST ON ts PARTITION BY instrument",
        PRICE_ROW,
    )


def stats(console: Console, source: str, span: Span, as_of: int | None) -> Rows:
    """What each instrument did, of its shortest bars: CANDLE_ROW[n]."""
    where = " AND ".join([f"source = {quoted(source)}", *within(span.first_ns, span.until_ns), *no_later(as_of)])
    row = np.dtype([*CANDLE_ROW.descr, ("interval_ns", "<i8")])
    rows = console.rows(
        f"SELECT {CANDLE_SELECT}, interval_ns FROM (SELECT min(ts) ts, instrument, interval_ns, {_CANDLE} FROM "
        f"(SELECT ts, instrument, interval_ns, {_ONCE} FROM bars WHERE {where} ORDER BY ts))",
        row,
    )
    rows = rows[np.lexsort((rows["interval_ns"], rows["instrument"]))]
    first = np.append(True, np.diff(rows["instrument"]) != 0)[: len(rows)]
    return rows[first][list(CANDLE_ROW.names or ())].astype(CANDLE_ROW)
