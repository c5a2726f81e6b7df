"""The market store as a protocol: the time series that all processes read. QuestDB and DuckDB pass one suite.

Rows go in as they stand on the tape, each with the address (sequence, index) of its message, and come out as packed
numpy rows, oldest first. Writing the same rows again changes nothing, so a batch whose answer was lost is repeated.
Book levels are not kept here: the tape and its segments have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

import msgspec
import numpy as np

from events.errors import InvalidInput
from events.rows import BAR_DTYPE, MARKET_DTYPE, ROW_DTYPES, MarketFlag, Rows, SectionKind
from projections.batch import Checkpoint

NS_MAX = 2**63 - 1
EVENT_NS_MIN = 0  # event times are from 1970 on, and end with 2261: what QuestDB's designated time holds
EVENT_NS_MAX = 9_214_646_399_999_999_999

# Where a row stands on the tape. Index counts rows within the section.
_PLACE = [("sequence", "<i8"), ("index", "<i4")]


def _placed(dtype: np.dtype, *extra: tuple[str, str]) -> np.dtype:
    return np.dtype([*_PLACE, *extra, *((name, dtype[name]) for name in dtype.names or ())])


# Rows as they are read: the place on the tape, for decisions the ordinal within the session, then the tape's own row.
TICK_ROW = _placed(MARKET_DTYPE)
BAR_ROW = _placed(BAR_DTYPE)
DECISION_ROWS: dict[SectionKind, np.dtype] = {
    kind: _placed(ROW_DTYPES[kind, 1], ("ordinal", "<i8"))
    for kind in (SectionKind.SIGNAL, SectionKind.ORDER, SectionKind.FILL, SectionKind.DENIAL, SectionKind.MARK)
}

# OHLCV of the trades that count (see `COUNTS_NOT`) within one interval.
CANDLE_ROW = np.dtype(
    [
        ("ts_open_ns", "<i8"),  # start of the interval, a multiple of it since 1970, ns UTC
        ("ts_last_ns", "<i8"),  # event time of the last trade in it; of a bar: its opening time
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),  # sum of quantity, base units
        ("turnover", "<f8"),  # sum of price x quantity, quote currency; of bars: sum of close x volume
        ("trades", "<i8"),
        ("first_sequence", "<i8"),  # smallest and largest sequence of the rows in it
        ("last_sequence", "<i8"),
        ("instrument", "<i4"),
        ("pad", "<i4"),
    ]
)

STATS_ROW = CANDLE_ROW  # of any stretch: `ts_open_ns` is its first minute with a trade, or its first bar

PRICE_ROW = np.dtype(
    [
        ("ts_event_ns", "<i8"),  # of the trade; of a bar its closing time
        ("price", "<f8"),
        ("instrument", "<i4"),
        ("pad", "<i4"),
    ]
)

COUNTS_NOT = int(MarketFlag.OFF_BOOK)  # trades with this flag, or without a price above 0, make no candle and no price


class Interval(Enum):
    """Length of a candle; the value is the contracts' word for it. Each starts at a multiple of it since 1970."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"

    @property
    def ns(self) -> int:
        """Length in ns."""
        return _INTERVAL_NS[self.value]


_MINUTE_NS = 60 * 1_000_000_000
_INTERVAL_NS = {
    "1m": _MINUTE_NS,
    "5m": 5 * _MINUTE_NS,
    "15m": 15 * _MINUTE_NS,
    "1h": 60 * _MINUTE_NS,
    "4h": 240 * _MINUTE_NS,
    "1d": 1_440 * _MINUTE_NS,
}


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named maxima of a market store."""

    batch_rows_max: int = 200_000  # rows of one commit; each commit refreshes six views
    write_tries_max: int = 5  # of one batch
    write_seconds_max: float = 30.0  # one try
    query_pool_max: int = 4  # queries at once
    query_seconds_max: float = 10.0
    wait_seconds_max: float = 10.0  # until a sequence is visible
    poll_seconds: float = 0.01
    visible_age_seconds_max: float = 0.1  # how old the known visible sequence may be that an answer names
    rows_max: int = 100_000  # rows of one answer
    as_of_rows_max: int = 5_000_000  # rows from which candles of the past are computed


class MarketFrame(msgspec.Struct, frozen=True):
    """One section of market or bar rows of a source. `rows` is MARKET_DTYPE[n] or BAR_DTYPE[n]."""

    source: str
    sequence: int
    rows: Rows
    index: int = 0  # of the first row within its section


class DecisionFrame(msgspec.Struct, frozen=True):
    """One section of a decision message. `rows` is of the kind's dtype."""

    session: str
    sequence: int
    kind: SectionKind
    rows: Rows
    ordinal: int = 0  # of the first row among all rows of its kind in the session


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of event time [first_ns, until_ns), and how many of its rows."""

    first_ns: int = 0
    until_ns: int = NS_MAX
    limit: int = 100
    newest: bool = True  # the last `limit` rows of the stretch, else the first
    offset: int = 0  # rows to leave out at the end that is read first


class MarketQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of one instrument of one source. `as_of`: only what stood on the tape up to this sequence."""

    source: str
    instrument: int
    span: Span = Span()
    as_of: int | None = None


class SessionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Decision rows of one session, in order of their ordinals."""

    session: str
    span: Span = Span()
    as_of: int | None = None
    instrument: int | None = None  # of rows that have one


class Answer(msgspec.Struct, frozen=True):
    """Rows, oldest first, and the sequence up to which they are complete."""

    rows: Rows
    sequence: int


class Trouble(msgspec.Struct, frozen=True):
    """A table that no longer takes writes, or a view that is no longer refreshed."""

    table: str
    reason: str


def whole_minutes(first_ns: int, until_ns: int) -> tuple[int, int]:
    """The stretch widened to whole minutes."""
    return first_ns // _MINUTE_NS * _MINUTE_NS, min(-(-until_ns // _MINUTE_NS) * _MINUTE_NS, NS_MAX)


def whole_intervals(span: Span, length_ns: int) -> Span:
    """The span of the intervals that start within it, whole: its rows make whole candles at both ends."""
    first, until = (-(-ns // length_ns) * length_ns for ns in (max(span.first_ns, 0), span.until_ns))
    return msgspec.structs.replace(span, first_ns=min(first, NS_MAX), until_ns=min(until, NS_MAX))


def check_span(span: Span, limits: Limits) -> None:
    """Bounds of what one answer may hold.

    Raises:
        InvalidInput: a limit or an offset out of bounds.
    """
    if not 1 <= span.limit <= limits.rows_max:
        raise InvalidInput(f"limit is {span.limit}; it must be 1 to {limits.rows_max}.", field="limit")
    if not 0 <= span.offset <= NS_MAX // 2:
        raise InvalidInput(f"offset is {span.offset}; it must be 0 or more.", field="offset")


class MarketStore(Protocol):
    """Ticks, quotes, bars, candles and the decisions of sessions.

    What writes blocks, and is called by one process, one call at a time, off the event loop. What reads is awaited.
    Every method that talks to the store raises `ReadModelUnavailable` when it does not answer within its bound.
    Every read raises `InvalidInput` for a limit out of bounds, and `ReadModelUnavailable` when `as_of` is not
    visible within `wait_seconds_max`.
    """

    limits: Limits

    # --- the writer -----------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the tables that are missing.

        Raises:
            Conflict: a table has other columns than this version writes: `reset` and rebuild.
        """
        ...

    def reset(self) -> None:
        """Drop everything, the checkpoint included, and create anew."""
        ...

    def write_market(self, frames: Sequence[MarketFrame]) -> None:
        """Store trades, quotes and bars; other kinds of rows are left out, and rows with an event time before 1970 or
        after 2261, which are legal on the tape. When it returned, all are committed.
        """
        ...

    def write_decisions(self, frames: Sequence[DecisionFrame]) -> None:
        """Store decision rows. As `write_market`."""
        ...

    def checkpoint(self) -> Checkpoint:
        """The last checkpoint set; of sequence 0 where there is none."""
        ...

    def set_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Remember how far all rows were written. Moves last."""
        ...

    def set_seen(self, sequence: int) -> None:
        """Nothing to store lies behind the checkpoint up to this sequence: readers may take it for visible."""
        ...

    # --- readers --------------------------------------------------------------------------------------------------

    async def visible(self, *, candles: bool = False) -> int:
        """The sequence up to which every reader sees all rows (with `candles`: all candles too)."""
        ...

    async def wait_visible(self, sequence: int, *, candles: bool = False, seconds: float | None = None) -> int:
        """Wait until `visible` is at least `sequence` and return it.

        Raises:
            ReadModelUnavailable: not within `seconds` (`wait_seconds_max` if None), or a table is in trouble.
        """
        ...

    async def troubles(self) -> list[Trouble]:
        """Suspended tables and invalid views; empty when all is well."""
        ...

    async def ticks(self, query: MarketQuery) -> Answer:
        """Trades: TICK_ROW[n]."""
        ...

    async def quotes(self, query: MarketQuery) -> Answer:
        """Best bids and asks, each as its own row: TICK_ROW[n]."""
        ...

    async def bars(self, query: MarketQuery) -> Answer:
        """Bars as the source gave them: BAR_ROW[n]."""
        ...

    async def candles(self, query: MarketQuery, interval: Interval) -> Answer:
        """Candles whose interval starts within the span: CANDLE_ROW[n]. Empty intervals have no candle.

        From the source's trades; where it has none in the span, from its bars of the longest interval that divides
        this one. A bar given twice counts once, the one of the larger sequence.

        Raises:
            InvalidInput: no bars of a dividing interval, or more than `as_of_rows_max` rows to compute from.
        """
        ...

    async def mids(self, query: MarketQuery, interval: Interval) -> Answer:
        """Candles of the middle of the best bid and ask: CANDLE_ROW[n], without volume, turnover and trades.

        Each price is the middle of the bid's and the ask's own (the highest bid and the highest ask, and so on), so
        that a candle depends on its own interval alone. One with quotes of one side only is left out. Raises as
        `candles`.
        """
        ...

    async def mid_prices(self, source: str, as_of: int | None = None) -> Answer:
        """The middle of each instrument's newest bid and ask: PRICE_ROW[n] by instrument, with the later one's time."""
        ...

    async def prices(self, source: str, as_of: int | None = None) -> Answer:
        """The newest price of each instrument, of a trade or of a bar's close: PRICE_ROW[n] by instrument."""
        ...

    async def stats(self, source: str, first_ns: int, until_ns: int, as_of: int | None = None) -> Answer:
        """What each instrument did in [first_ns, until_ns), widened to whole minutes: STATS_ROW[n] by instrument.

        From its trades; where it has none there, from its bars of the shortest interval. Raises as `candles`.
        """
        ...

    async def decisions(self, kind: SectionKind, query: SessionQuery) -> Answer:
        """Signals, orders, fills, denials or equity marks: DECISION_ROWS[kind][n]."""
        ...

    async def content_hash(self) -> str:
        """BLAKE2b over all rows of all tables, the same for the same rows in every implementation. Reads all."""
        ...

    async def close(self) -> None:
        """Let go of connections and files."""
        ...
