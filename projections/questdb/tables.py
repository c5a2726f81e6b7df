"""Tables and materialized views of the market store in QuestDB, made explicitly and checked at each start.

Every table is a WAL table that replaces rows of the same key, so a repeated batch changes nothing. Candles are views
on `ticks`, each on a finer one; a session's rows are found by `bucket`, an indexed symbol of bounded cardinality,
because session ids are without bound and stay VARCHAR.
"""

from __future__ import annotations

import zlib

import msgspec
import numpy as np

from events.rows import SectionKind
from projections.market_store import BAR_ROW, COUNTS_NOT, DECISION_ROWS, TICK_ROW, Interval

BUCKETS = 1024  # values of `bucket`
CHECKPOINTS = "checkpoints"

_TYPES = {"i8": "LONG", "f8": "DOUBLE", "i4": "INT", "i2": "SHORT", "u2": "INT", "i1": "BYTE"}


class Table(msgspec.Struct, frozen=True):
    """One table: the rows it holds, the column that says whose they are, and the length of a partition."""

    name: str
    row: np.dtype
    owner: str  # `source` (SYMBOL) or `session` (VARCHAR, found by bucket)
    partition: str

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """(name, QuestDB type), the designated time first."""
        owner = (("source", "SYMBOL"),) if self.owner == "source" else (("bucket", "SYMBOL"), ("session", "VARCHAR"))
        fields = tuple((name, self._type(name)) for name in self.stored if name != "ts_event_ns")
        return (("ts", "TIMESTAMP_NS"), *owner, *fields)

    @property
    def stored(self) -> tuple[str, ...]:
        """Fields of the row that have a column; padding has none."""
        return tuple(name for name in self.row.names or () if not name.startswith("pad"))

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns whose values name one row."""
        whose = "instrument" if self.owner == "source" else "session"
        return ("ts", whose, "sequence", "index")

    def _type(self, name: str) -> str:
        return "SYMBOL" if name == "instrument" else _TYPES[self.row[name].str[1:]]

    @property
    def create(self) -> str:
        """The statement that makes it."""
        columns = ", ".join(f'"{name}" {kind}{_index(name)}' for name, kind in self.columns)
        keys = ", ".join(f'"{name}"' for name in self.keys)
        return (
            f'CREATE TABLE IF NOT EXISTS "{self.name}" ({columns}) TIMESTAMP(ts) '
            f"PARTITION BY {self.partition} WAL DEDUP UPSERT KEYS({keys})"
        )

    @property
    def select(self) -> str:
        """The select list that gives the fields of the row in their order."""
        return ", ".join(_expression(name) for name in self.row.names or ())


def _index(name: str) -> str:
    return f" CAPACITY {BUCKETS} INDEX" if name == "bucket" else ""


def _expression(name: str) -> str:
    if name.startswith("pad"):
        return f"0 {name}"
    if name == "ts_event_ns":
        return "ts::long ts_event_ns"
    if name == "instrument":
        return "instrument::int instrument"
    return f'"{name}"'


TICKS = Table("ticks", TICK_ROW, "source", "DAY")
QUOTES = Table("quotes", TICK_ROW, "source", "DAY")
BARS = Table("bars", BAR_ROW, "source", "YEAR")
DECISIONS: dict[SectionKind, Table] = {
    kind: Table(name, DECISION_ROWS[kind], "session", "MONTH")
    for kind, name in (
        (SectionKind.SIGNAL, "signals"),
        (SectionKind.ORDER, "orders"),
        (SectionKind.FILL, "fills"),
        (SectionKind.DENIAL, "denials"),
        (SectionKind.MARK, "equity"),
    )
}
TABLES: tuple[Table, ...] = (TICKS, QUOTES, BARS, *DECISIONS.values())

# Replaced at each step, found under a constant time.
CREATE_CHECKPOINTS = (
    f"CREATE TABLE IF NOT EXISTS {CHECKPOINTS} (ts TIMESTAMP, name SYMBOL, epoch VARCHAR, sequence LONG, "
    "digest VARCHAR) TIMESTAMP(ts) PARTITION BY YEAR WAL DEDUP UPSERT KEYS(ts, name)"
)


class View(msgspec.Struct, frozen=True):
    """Candles of one interval, made of trades (`on` None) or of the candles of a finer one."""

    interval: Interval
    on: Interval | None
    partition: str

    @property
    def name(self) -> str:
        """Its name in the database."""
        return f"candles_{self.interval.value}"

    @property
    def base(self) -> str:
        """What it is made of."""
        return TICKS.name if self.on is None else f"candles_{self.on.value}"

    @property
    def create(self) -> str:
        """The statement that makes it."""
        body = (
            f"SELECT ts, source, instrument, {CANDLE_OF_TICKS} FROM ticks WHERE {COUNTS}"
            if self.on is None
            else f"SELECT ts, source, instrument, {CANDLE_OF_CANDLES} FROM {self.base}"
        )
        return (
            f"CREATE MATERIALIZED VIEW IF NOT EXISTS {self.name} AS "
            f"({body} SAMPLE BY {self.interval.value}) PARTITION BY {self.partition}"
        )


COUNTS = f"price > 0 AND (flags & {COUNTS_NOT}) = 0"
CANDLE_OF_TICKS = (
    "max(ts) ts_last, first(price) open, max(price) high, min(price) low, last(price) close, "
    "sum(quantity) volume, sum(price * quantity) turnover, count() trades, "
    'min("sequence") first_sequence, max("sequence") last_sequence'
)
CANDLE_OF_CANDLES = (
    "max(ts_last) ts_last, first(open) open, max(high) high, min(low) low, last(close) close, "
    "sum(volume) volume, sum(turnover) turnover, sum(trades) trades, "
    "min(first_sequence) first_sequence, max(last_sequence) last_sequence"
)
CANDLE_SELECT = (
    "ts::long ts_open_ns, ts_last::long ts_last_ns, open, high, low, close, volume, turnover, trades, "
    "first_sequence, last_sequence, instrument::int instrument, 0 pad"
)

# Base views before those on top of them.
VIEWS: tuple[View, ...] = (
    View(Interval.M1, None, "DAY"),
    View(Interval.M5, Interval.M1, "MONTH"),
    View(Interval.M15, Interval.M1, "MONTH"),
    View(Interval.H1, Interval.M1, "YEAR"),
    View(Interval.H4, Interval.H1, "YEAR"),
    View(Interval.D1, Interval.H1, "YEAR"),
)


def bucket_of(session: str) -> str:
    """Where the rows of a session are looked for."""
    return str(zlib.crc32(session.encode()) % BUCKETS)
