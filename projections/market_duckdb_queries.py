"""The market store's tables and queries in DuckDB. Candles are computed from the rows of the asked span."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from events.errors import InvalidInput
from events.rows import MarketKind, Rows, SectionKind
from projections.market_store import (
    BAR_ROW,
    CANDLE_ROW,
    COUNTS_NOT,
    DECISION_ROWS,
    NS_MAX,
    PRICE_ROW,
    TICK_ROW,
    Interval,
    MarketQuery,
    SessionQuery,
    Span,
)

Ask = Callable[[str, list[object], np.dtype], Rows]  # statement, values, row dtype

_TYPES = {
    "i8": "BIGINT",
    "f8": "DOUBLE",
    "i4": "INTEGER",
    "i2": "SMALLINT",
    "u2": "USMALLINT",
    "i1": "TINYINT",
}
_WIDEN = 8  # how much further back each look for enough candles goes
_PLACE = '(ts_event_ns, "sequence", "index")'


class Table(msgspec.Struct, frozen=True):
    """One table: the rows it holds and the column that says whose they are."""

    name: str
    row: np.dtype
    owner: str  # source or session

    @property
    def stored(self) -> tuple[str, ...]:
        """Fields of the row that have a column; padding has none."""
        return tuple(name for name in self.row.names or () if not name.startswith("pad"))

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """(name, DuckDB type)."""
        return ((self.owner, "VARCHAR"), *((name, _TYPES[self.row[name].str[1:]]) for name in self.stored))

    @property
    def create(self) -> str:
        """The statement that makes it."""
        columns = ", ".join(f'"{name}" {kind}' for name, kind in self.columns)
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({columns})"

    @property
    def select(self) -> str:
        """Fields of the row, in order; padding is left to the reader."""
        return ", ".join(f'"{name}"' for name in self.stored)


TICKS = Table("ticks", TICK_ROW, "source")
QUOTES = Table("quotes", TICK_ROW, "source")
BARS = Table("bars", BAR_ROW, "source")
DECISIONS: dict[SectionKind, Table] = {
    kind: Table(name, DECISION_ROWS[kind], "session")
    for kind, name in (
        (SectionKind.SIGNAL, "signals"),
        (SectionKind.ORDER, "orders"),
        (SectionKind.FILL, "fills"),
        (SectionKind.DENIAL, "denials"),
        (SectionKind.MARK, "equity"),
    )
}
TABLES: tuple[Table, ...] = (TICKS, QUOTES, BARS, *DECISIONS.values())

_COUNTS = f"price > 0 AND flags & {COUNTS_NOT} = 0"
_OF_TICKS = (
    f"max(ts_event_ns) ts_last_ns, arg_min(price, {_PLACE}) open, max(price) high, min(price) low, "
    f"arg_max(price, {_PLACE}) AS close, sum(quantity) volume, sum(price * quantity) turnover, count(*) trades, "
    'min("sequence") first_sequence, max("sequence") last_sequence'
)
_OF_BARS = (
    "max(ts_event_ns) ts_last_ns, arg_min(open, ts_event_ns) open, max(high) high, min(low) low, "
    "arg_max(close, ts_event_ns) AS close, sum(volume) volume, sum(close * volume) turnover, "
    'sum(trades)::BIGINT trades, min("sequence") first_sequence, max("sequence") last_sequence'
)


def _middle(of: str) -> str:
    """The middle of what holds of the bids and of the asks."""
    bid, ask = (f"{of} FILTER (kind = {int(kind)})" for kind in (MarketKind.BID, MarketKind.ASK))
    return f"({bid} + {ask}) / 2"


_OF_QUOTES = (
    f"max(ts_event_ns) ts_last_ns, {_middle(f'arg_min(price, {_PLACE})')} open, {_middle('max(price)')} high, "
    f"{_middle('min(price)')} low, {_middle(f'arg_max(price, {_PLACE})')} AS close, 0.0::DOUBLE volume, "
    '0.0::DOUBLE turnover, 0::BIGINT trades, min("sequence") first_sequence, max("sequence") last_sequence'
)


class Where:
    """Conditions and their values."""

    def __init__(self, owner: str, name: str) -> None:
        self.conditions = [f"{owner} = ?"]
        self.values: list[object] = [name]

    def add(self, condition: str, *values: object) -> Where:
        """One more that must hold."""
        self.conditions.append(condition)
        self.values.extend(values)
        return self

    def within(self, first_ns: int, until_ns: int, as_of: int | None) -> Where:
        """Event time and sequence."""
        self.add("ts_event_ns >= ? AND ts_event_ns < ?", max(first_ns, 0), until_ns)
        return self if as_of is None else self.add('"sequence" <= ?', as_of)

    def __str__(self) -> str:
        return " AND ".join(self.conditions)


def _cut(span: Span, order: str) -> str:
    direction = "DESC" if span.newest else "ASC"
    columns = ", ".join(f"{column} {direction}" for column in order.split(", "))
    return f"ORDER BY {columns} LIMIT {span.limit} OFFSET {span.offset}"


def _forward(rows: Rows, span: Span) -> Rows:
    return rows[::-1] if span.newest else rows


def _owned(query: MarketQuery) -> Where:
    where = Where("source", query.source).add("instrument = ?", query.instrument)
    return where.within(query.span.first_ns, query.span.until_ns, query.as_of)


def market_rows(ask: Ask, table: Table, query: MarketQuery) -> Rows:
    """Rows of one instrument: table.row[n], oldest first."""
    return _rows(ask, table, _owned(query), query.span)


def session_rows(ask: Ask, table: Table, query: SessionQuery) -> Rows:
    """Rows of one session: table.row[n], oldest first."""
    where = Where("session", query.session).within(query.span.first_ns, query.span.until_ns, query.as_of)
    if query.instrument is not None and "instrument" in table.stored:
        where.add("instrument = ?", query.instrument)
    return _rows(ask, table, where, query.span)


def _rows(ask: Ask, table: Table, where: Where, span: Span) -> Rows:
    sql = f"SELECT {table.select} FROM {table.name} WHERE {where} {_cut(span, 'ts_event_ns, sequence, index')}"
    return _forward(ask(sql, where.values, table.row), span)


def candles(ask: Ask, query: MarketQuery, interval: Interval) -> Rows:
    """Candles of one instrument, of its trades or else of its bars: CANDLE_ROW[n], oldest first."""
    rows = _looking_back(ask, query, interval, "ticks", _of_ticks)
    return rows if len(rows) else _looking_back(ask, query, interval, "bars", _of_bars)


_Make = Callable[[Ask, MarketQuery, Interval], Rows]


def _looking_back(ask: Ask, query: MarketQuery, interval: Interval, table: str, make: _Make) -> Rows:
    """The newest candles without computing all: from ever further back, until there are enough."""
    span = query.span
    bounds = np.dtype([("first", "<i8"), ("last", "<i8"), ("rows", "<i8")])
    where = _owned(query)
    sql = f"SELECT coalesce(min(ts_event_ns), 0), coalesce(max(ts_event_ns), 0), count(*) FROM {table} WHERE {where}"
    found = ask(sql, where.values, bounds)[0]
    if not found["rows"]:
        return np.empty(0, CANDLE_ROW)
    if not span.newest:
        return make(ask, query, interval)
    wanted, back = span.limit + span.offset, (span.limit + span.offset) * interval.ns
    while True:
        first = max(int(found["last"]) // interval.ns * interval.ns - back, span.first_ns)
        whole = first <= found["first"]
        part = msgspec.structs.replace(span, first_ns=span.first_ns if whole else first, limit=wanted, offset=0)
        rows = make(ask, msgspec.structs.replace(query, span=part), interval)
        if whole or len(rows) >= wanted:
            return rows[: len(rows) - span.offset][-span.limit :]
        back *= _WIDEN


def _of_ticks(ask: Ask, query: MarketQuery, interval: Interval) -> Rows:
    where = _owned(query).add(_COUNTS)
    sql = (
        f"SELECT {_start(interval.ns)} ts_open_ns, {_OF_TICKS}, {query.instrument} instrument FROM ticks "
        f"WHERE {where} GROUP BY 1 {_cut(query.span, 'ts_open_ns')}"
    )
    return _forward(ask(sql, where.values, CANDLE_ROW), query.span)


def _start(length_ns: int) -> str:
    return f"ts_event_ns // {length_ns} * {length_ns}"


def _of_bars(ask: Ask, query: MarketQuery, interval: Interval) -> Rows:
    where = _owned(query)
    lengths = ask(f"SELECT DISTINCT interval_ns FROM bars WHERE {where}", where.values, np.dtype([("ns", "<i8")]))[
        "ns"
    ].tolist()
    fit = [length for length in lengths if interval.ns % length == 0]
    if not fit:
        raise InvalidInput(
            f"There are bars of {', '.join(f'{ns / 1e9:g} s' for ns in sorted(lengths))} only, and none of them"
            f" divides {interval.value}.",
            field="interval",
            hint="Ask for a longer interval.",
        )
    where.add("interval_ns = ?", max(fit))
    sql = (
        f"SELECT {_start(interval.ns)} ts_open_ns, {_OF_BARS}, {query.instrument} instrument FROM ({_once(where)}) "
        f"GROUP BY 1 {_cut(query.span, 'ts_open_ns')}"
    )
    return _forward(ask(sql, where.values, CANDLE_ROW), query.span)


def _once(where: Where) -> str:
    """Each bar once, the one of the larger sequence."""
    return (
        f"SELECT DISTINCT ON (instrument, interval_ns, {_start_of_bar()}) * FROM bars WHERE {where} "
        f'ORDER BY ts_event_ns DESC, "sequence" DESC, "index" DESC'
    )


def _start_of_bar() -> str:
    return "ts_event_ns // interval_ns"


def mids(ask: Ask, query: MarketQuery, interval: Interval) -> Rows:
    """Candles of the middle of bids and asks: CANDLE_ROW[n], oldest first."""
    return _looking_back(ask, query, interval, "quotes", _of_quotes)


def _of_quotes(ask: Ask, query: MarketQuery, interval: Interval) -> Rows:
    where = _owned(query).add("price > 0")
    sql = (
        f"SELECT {_start(interval.ns)} ts_open_ns, {_OF_QUOTES}, {query.instrument} instrument FROM quotes "
        f"WHERE {where} GROUP BY 1 HAVING open IS NOT NULL {_cut(query.span, 'ts_open_ns')}"
    )
    return _forward(ask(sql, where.values, CANDLE_ROW), query.span)


def mid_prices(ask: Ask, source: str, as_of: int | None) -> Rows:
    """The middle of each instrument's newest bid and newest ask: PRICE_ROW[n] by instrument."""
    where = Where("source", source).within(0, NS_MAX, as_of).add("price > 0")
    sql = (
        f"SELECT max(ts_event_ns) ts_event_ns, {_middle(f'arg_max(price, {_PLACE})')} price, instrument FROM quotes "
        f"WHERE {where} GROUP BY instrument HAVING price IS NOT NULL ORDER BY instrument"
    )
    return ask(sql, where.values, PRICE_ROW)


def prices(ask: Ask, source: str, as_of: int | None) -> Rows:
    """The newest price of each instrument: PRICE_ROW[n] by instrument."""
    where = Where("source", source).within(0, NS_MAX, as_of)
    sql = (
        "WITH newest AS (SELECT instrument, max(ts_event_ns) ts_event_ns FROM ticks "
        f"WHERE {where} AND {_COUNTS} GROUP BY instrument) SELECT DISTINCT ON (instrument) * FROM ("
        f'SELECT ts_event_ns, arg_max(price, ("sequence", "index")) price, instrument FROM ticks SEMI JOIN newest '
        f"USING (instrument, ts_event_ns) WHERE {where} AND {_COUNTS} GROUP BY ALL UNION ALL "
        f"SELECT arg_max(ts_event_ns + interval_ns, {_PLACE}) ts_event_ns, arg_max(close, {_PLACE}) price, instrument "
        f"FROM bars WHERE {where} GROUP BY instrument) ORDER BY instrument, ts_event_ns DESC"
    )
    rows = ask(sql, where.values * 3, PRICE_ROW)
    return rows[np.argsort(rows["instrument"])]


def stats(ask: Ask, source: str, span: Span, as_of: int | None) -> Rows:
    """What each instrument did: CANDLE_ROW[n] by instrument."""
    where = Where("source", source).within(span.first_ns, span.until_ns, as_of)
    minute = Interval.M1.ns
    of_trades = ask(
        f"SELECT min({_start(minute)}) ts_open_ns, {_OF_TICKS}, instrument FROM ticks "
        f"WHERE {where} AND {_COUNTS} GROUP BY instrument",
        where.values,
        CANDLE_ROW,
    )
    of_bars = ask(
        f"SELECT min(ts_event_ns) ts_open_ns, {_OF_BARS}, instrument FROM (SELECT * FROM ({_once(where)}) "
        "QUALIFY interval_ns = min(interval_ns) OVER (PARTITION BY instrument)) GROUP BY instrument",
        where.values,
        CANDLE_ROW,
    )
    of_bars = of_bars[~np.isin(of_bars["instrument"], of_trades["instrument"])]
    rows = np.concatenate([of_trades, of_bars])
    return rows[np.argsort(rows["instrument"])]
