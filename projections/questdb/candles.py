"""Candles and what follows from them, out of the views, and exactly as of an earlier sequence.

A candle of a view knows the smallest and the largest sequence of its rows. As of S, one whose rows are all up to S
stands as it is, one whose rows are all later is left out, and what lies between is computed from the ticks up to S.
"""

from __future__ import annotations

import numpy as np

from events.errors import InvalidInput
from events.rows import Rows
from projections.market_store import CANDLE_ROW, PRICE_ROW, Interval, Limits, MarketQuery, Span
from projections.questdb import bar_candles
from projections.questdb.access import Console, quoted
from projections.questdb.reads import cut, forward, no_later, owned, within
from projections.questdb.tables import CANDLE_OF_CANDLES, CANDLE_OF_TICKS, CANDLE_SELECT, COUNTS

MINUTE_NS = Interval.M1.ns


def candles(console: Console, limits: Limits, query: MarketQuery, interval: Interval) -> Rows:
    """Candles of one instrument, of its trades or else of its bars: CANDLE_ROW[n], oldest first."""
    where = " AND ".join(owned(query) + no_later(query.as_of, "first_sequence"))
    sql = f"SELECT {CANDLE_SELECT} FROM candles_{interval.value} WHERE {where} {cut(query.span)}"
    rows = forward(console.rows(sql, CANDLE_ROW), query.span)
    if not len(rows):
        return bar_candles.candles(console, limits, query, interval)
    return _as_of(console, limits, rows, query, interval)


def _as_of(console: Console, limits: Limits, rows: Rows, query: MarketQuery, interval: Interval) -> Rows:
    """The rows with those that hold later trades computed anew."""
    mixed = later(rows, query.as_of)
    if not mixed.any():
        return rows
    rows = rows.copy()
    where = owned(MarketQuery(query.source, query.instrument)) + no_later(query.as_of)
    rows[mixed] = recomputed(console, limits, rows[mixed], interval, where)
    return rows


def later(rows: Rows, as_of: int | None) -> np.ndarray:
    """Which candles hold a trade later than `as_of`: bool[n]."""
    return np.zeros(len(rows), bool) if as_of is None else rows["last_sequence"] > as_of


def recomputed(console: Console, limits: Limits, rows: Rows, interval: Interval, where: list[str]) -> Rows:
    """The same candles, of the ticks that the conditions let through.

    Raises:
        InvalidInput: too many ticks to look at.
    """
    _check_work(int(rows["trades"].sum()), limits)
    found = [np.empty(0, CANDLE_ROW)]
    for first, until in stretches(rows["ts_open_ns"], interval.ns):
        conditions = [COUNTS, *where, *within(first, until)]
        sql = (
            f"SELECT {CANDLE_SELECT} FROM (SELECT ts, instrument, {CANDLE_OF_TICKS} FROM ticks "
            f"WHERE {' AND '.join(conditions)} SAMPLE BY {interval.value})"
        )
        found.append(console.rows(sql, CANDLE_ROW))
    return _matching(np.concatenate(found), rows)


def _check_work(ticks: int, limits: Limits) -> None:
    if ticks > limits.as_of_rows_max:
        raise InvalidInput(
            f"Candles as of then have to be computed from {ticks} ticks; the limit is {limits.as_of_rows_max}.",
            field="as_of",
            code="AS_OF_TOO_FAR",
            hint="Ask for a shorter span or a shorter interval.",
        )


def stretches(starts: np.ndarray, length_ns: int) -> list[tuple[int, int]]:
    """Intervals [first, until) that follow each other without a gap, joined; `starts`: int64[n] ns."""
    starts = np.unique(starts)
    breaks = np.flatnonzero(np.diff(starts) > length_ns) + 1
    return [(int(part[0]), int(part[-1]) + length_ns) for part in np.split(starts, breaks) if len(part)]


def _matching(found: Rows, wanted: Rows) -> Rows:
    """For each wanted candle the found one of the same start and instrument."""
    places = {(int(row["ts_open_ns"]), int(row["instrument"])): at for at, row in enumerate(found)}
    return found[[places[int(row["ts_open_ns"]), int(row["instrument"])] for row in wanted]]


def prices(console: Console, limits: Limits, source: str, as_of: int | None) -> Rows:
    """The newest price of each instrument: PRICE_ROW[n] by instrument."""
    of_bars = bar_candles.prices(console, source, as_of)
    newest = _newest(console, "1d", [f"source = {quoted(source)}"], as_of)
    if later(newest, as_of).any():  # what was the newest minute of those days then?
        days = newest["ts_open_ns"]
        where = [f"source = {quoted(source)}", *within(int(days.min()), int(days.max()) + Interval.D1.ns)]
        newest = _newest(console, "1m", where, as_of)
        mixed = later(newest, as_of)
        conditions = [f"source = {quoted(source)}", *no_later(as_of)]
        newest[mixed] = recomputed(console, limits, newest[mixed], Interval.M1, conditions)
    of_trades = np.zeros(len(newest), PRICE_ROW)
    of_trades["ts_event_ns"], of_trades["price"] = newest["ts_last_ns"], newest["close"]
    of_trades["instrument"] = newest["instrument"]
    return newest_of(np.concatenate([of_bars, of_trades]))


def _newest(console: Console, interval: str, where: list[str], as_of: int | None) -> Rows:
    conditions = " AND ".join(where + no_later(as_of, "first_sequence"))
    sql = f"SELECT {CANDLE_SELECT} FROM candles_{interval} WHERE {conditions} LATEST ON ts PARTITION BY instrument"
    return console.rows(sql, CANDLE_ROW)


def newest_of(prices: Rows) -> Rows:
    """Per instrument the price of the largest time, of equal ones the one that stands last: PRICE_ROW[n]."""
    prices = prices[np.lexsort((np.arange(len(prices)), prices["ts_event_ns"], prices["instrument"]))]
    last = np.append(np.diff(prices["instrument"]) != 0, True)[: len(prices)]
    return prices[last]


def stats(console: Console, limits: Limits, source: str, span: Span, as_of: int | None) -> Rows:
    """What each instrument did within whole minutes: CANDLE_ROW[n] by instrument."""
    where = [f"source = {quoted(source)}", *within(span.first_ns, span.until_ns)]
    whole = _summed(console, where + no_later(as_of, "last_sequence"))
    parts = [whole]
    if as_of is not None:
        sql = (
            f"SELECT {CANDLE_SELECT} FROM candles_1m WHERE {' AND '.join(where)} "
            f"AND first_sequence <= {as_of} AND last_sequence > {as_of}"
        )
        mixed = console.rows(sql, CANDLE_ROW)
        if len(mixed):
            conditions = [f"source = {quoted(source)}", *no_later(as_of)]
            parts.append(recomputed(console, limits, mixed, Interval.M1, conditions))
    of_trades = joined(np.concatenate(parts))
    of_bars = bar_candles.stats(console, source, span, as_of)
    of_bars = of_bars[~np.isin(of_bars["instrument"], of_trades["instrument"])]
    rows = np.concatenate([of_trades, of_bars])
    return rows[np.argsort(rows["instrument"])]


def _summed(console: Console, where: list[str]) -> Rows:
    sql = (
        f"SELECT {CANDLE_SELECT} FROM (SELECT min(ts) ts, instrument, {CANDLE_OF_CANDLES} "
        f"FROM candles_1m WHERE {' AND '.join(where)})"
    )
    return console.rows(sql, CANDLE_ROW)


def joined(parts: Rows) -> Rows:
    """One candle per instrument out of several that do not share trades: CANDLE_ROW[n] by instrument."""
    numbers = np.unique(parts["instrument"])
    rows = np.zeros(len(numbers), CANDLE_ROW)
    for row, number in zip(rows, numbers, strict=True):
        mine = parts[parts["instrument"] == number]
        first, last = mine[np.argmin(mine["ts_open_ns"])], mine[np.argmax(mine["ts_last_ns"])]
        row["ts_open_ns"], row["open"] = first["ts_open_ns"], first["open"]
        row["ts_last_ns"], row["close"] = last["ts_last_ns"], last["close"]
        row["high"], row["low"] = mine["high"].max(), mine["low"].min()
        for name in ("volume", "turnover", "trades"):
            row[name] = mine[name].sum()
        row["first_sequence"], row["last_sequence"] = mine["first_sequence"].min(), mine["last_sequence"].max()
        row["instrument"] = number
    return rows
