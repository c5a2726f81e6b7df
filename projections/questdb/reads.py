"""Queries of the market store: rows of tables, and how a span becomes a condition, an order and a limit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from events.rows import Rows
from projections.market_store import NS_MAX, MarketQuery, SessionQuery, Span
from projections.questdb.access import Console, packed, quoted
from projections.questdb.tables import Table, bucket_of


def within(first_ns: int, until_ns: int) -> list[str]:
    """Conditions on the event time."""
    conditions = []
    if first_ns > 0:
        conditions.append(f"ts >= {instant(first_ns)}")
    if until_ns < NS_MAX:
        conditions.append(f"ts < {instant(until_ns)}")
    return conditions


def instant(ts_ns: int) -> str:
    """A designated time, ns UTC, as an expression that the server makes an interval of."""
    return f"{max(int(ts_ns), 0)}::timestamp_ns"


def owned(query: MarketQuery) -> list[str]:
    """Conditions: of this source and instrument, and within the span."""
    return [
        f"source = {quoted(query.source)}",
        f"instrument = '{int(query.instrument)}'",
        *within(query.span.first_ns, query.span.until_ns),
    ]


def no_later(as_of: int | None, column: str = '"sequence"') -> list[str]:
    """The condition that only rows up to a sequence count."""
    return [] if as_of is None else [f"{column} <= {int(as_of)}"]


def cut(span: Span) -> str:
    """Order and limit of a span."""
    order = "ts DESC" if span.newest else "ts"
    limit = (
        f"{span.offset}, {span.offset + span.limit}" if span.offset else str(span.limit)
    )  # one number stops the scan
    return f"ORDER BY {order} LIMIT {limit}"


def forward(rows: Rows, span: Span) -> Rows:
    """Oldest first."""
    return rows[::-1] if span.newest else rows


def market_rows(console: Console, table: Table, query: MarketQuery) -> Rows:
    """Rows of one instrument: table.row[n]."""
    where = " AND ".join(owned(query) + no_later(query.as_of))
    sql = f"SELECT {table.select} FROM {table.name} WHERE {where} {cut(query.span)}"
    return forward(console.rows(sql, table.row), query.span)


def session_rows(console: Console, table: Table, query: SessionQuery) -> Rows:
    """Rows of one session: table.row[n]."""
    conditions = [
        f"bucket = '{bucket_of(query.session)}'",
        f"session = {quoted(query.session)}",
        *within(query.span.first_ns, query.span.until_ns),
        *no_later(query.as_of),
    ]
    if query.instrument is not None and "instrument" in table.stored:
        conditions.append(f"instrument = '{int(query.instrument)}'")
    sql = f"SELECT {table.select} FROM {table.name} WHERE {' AND '.join(conditions)} {cut(query.span)}"
    return forward(console.rows(sql, table.row), query.span)


def pages(console: Console, table: Table, rows_max: int) -> Iterator[tuple[list[str], Rows]]:
    """All rows of a table in order of event time, sequence and index, and whose each is, about `rows_max` at a time."""
    first, size = 0, rows_max
    while True:
        what = f"SELECT {table.owner}, {table.select} FROM {table.name}"
        data = console.ask(f"{what} WHERE ts >= {instant(first)} ORDER BY ts LIMIT {size}")
        owners = np.array([each[0] for each in data], object)
        rows = packed([each[1:] for each in data], table.row)
        order = np.lexsort((rows["index"], rows["sequence"], rows["ts_event_ns"]))
        if len(data) == size:  # the last instant may go on behind the page
            last = int(rows["ts_event_ns"][-1])
            order = order[rows["ts_event_ns"][order] < last]
            first, size = (last, rows_max) if len(order) else (first, 2 * size)
        if len(order):
            yield list(owners[order]), rows[order]
        if len(data) < size and len(order) == len(data):
            return
