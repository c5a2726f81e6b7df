"""Candles and prices of the middle of bids and asks, for instruments that nobody told a trade of."""

from __future__ import annotations

import numpy as np

from events.errors import InvalidInput
from events.rows import MarketKind, Rows
from projections.market_store import CANDLE_ROW, PRICE_ROW, Interval, Limits, MarketQuery
from projections.questdb.access import Console, quoted
from projections.questdb.reads import cut, forward, no_later, owned
from projections.questdb.tables import CANDLE_SELECT

SIDES = {"bid": int(MarketKind.BID), "ask": int(MarketKind.ASK)}
_PRICED = "price > 0"
_OF_SIDES = ", ".join(
    f"first_not_null({side}) {side}_open, max({side}) {side}_high, min({side}) {side}_low, "
    f"last_not_null({side}) {side}_close"
    for side in SIDES
)
_MIDDLE = ", ".join(f"(bid_{name} + ask_{name}) / 2 {name}" for name in ("open", "high", "low", "close"))
_NEWEST = np.dtype([("ts_event_ns", "<i8"), ("price", "<f8"), ("instrument", "<i4"), ("kind", "<i4")])


def candles(console: Console, limits: Limits, query: MarketQuery, interval: Interval) -> Rows:
    """Candles of one instrument: CANDLE_ROW[n], oldest first.

    Raises:
        InvalidInput: too many quotes to look at.
    """
    where = " AND ".join([_PRICED, *owned(query), *no_later(query.as_of)])
    [[count]] = console.ask(f"SELECT count() FROM quotes WHERE {where}")
    if count > limits.as_of_rows_max:
        raise InvalidInput(
            f"Candles have to be computed from {count} quotes; the limit is {limits.as_of_rows_max}.",
            field="first_ns",
            hint="Ask for a shorter span.",
        )
    sides = ", ".join(f"CASE WHEN kind = {kind} THEN price END {side}" for side, kind in SIDES.items())
    sampled = (
        f"SELECT ts, instrument, max(ts) ts_last, {_OF_SIDES}, min(seq) first_sequence, max(seq) last_sequence "
        f'FROM (SELECT ts, instrument, "sequence" seq, {sides} FROM quotes WHERE {where}) SAMPLE BY {interval.value}'
    )
    middle = (
        f"SELECT ts, instrument, ts_last, {_MIDDLE}, 0.0 volume, 0.0 turnover, 0::long trades, "
        f"first_sequence, last_sequence FROM ({sampled})"
    )
    sql = f"SELECT {CANDLE_SELECT} FROM ({middle}) WHERE open IS NOT NULL {cut(query.span)}"
    return forward(console.rows(sql, CANDLE_ROW), query.span)


def prices(console: Console, source: str, as_of: int | None) -> Rows:
    """The middle of each instrument's newest bid and newest ask: PRICE_ROW[n] by instrument."""
    where = " AND ".join([_PRICED, f"source = {quoted(source)}", *no_later(as_of)])
    newest = console.rows(
        "SELECT ts::long ts_event_ns, price, instrument::int instrument, kind::int kind "
        f"FROM quotes WHERE {where} LATEST ON ts PARTITION BY instrument, kind",
        _NEWEST,
    )
    bids, asks = (np.sort(newest[newest["kind"] == kind], order="instrument") for kind in SIDES.values())
    both = np.intersect1d(bids["instrument"], asks["instrument"])
    bids, asks = (side[np.isin(side["instrument"], both)] for side in (bids, asks))
    found = np.zeros(len(both), PRICE_ROW)
    found["instrument"], found["price"] = both, (bids["price"] + asks["price"]) / 2
    found["ts_event_ns"] = np.maximum(bids["ts_event_ns"], asks["ts_event_ns"])
    return found
