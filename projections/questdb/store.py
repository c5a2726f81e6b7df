"""The market store in QuestDB: one writer, any number of readers in any process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec
import structlog

from events.clock import NS_PER_SECOND, Clock, SystemClock
from events.errors import Conflict, ReadModelUnavailable
from events.rows import Rows, SectionKind
from projections.batch import Checkpoint
from projections.market_columns import decision_columns, market_columns
from projections.market_hash import ContentHash
from projections.market_store import (
    Answer,
    DecisionFrame,
    Interval,
    Limits,
    MarketFrame,
    MarketQuery,
    SessionQuery,
    Span,
    Trouble,
    check_span,
    whole_intervals,
    whole_minutes,
)
from projections.questdb import candles, mid_candles, reads
from projections.questdb.access import Access, Console, quoted
from projections.questdb.ingest import Ingest
from projections.questdb.tables import (
    BARS,
    CHECKPOINTS,
    CREATE_CHECKPOINTS,
    DECISIONS,
    QUOTES,
    TABLES,
    TICKS,
    VIEWS,
    Table,
)
from projections.questdb.visibility import Visibility

log = structlog.get_logger(__name__)

T = TypeVar("T")

CHECKPOINT_NAME = "market"
SEEN_NAME = "market seen"  # under a name of its own: a late one never moves the checkpoint back


class QuestDbMarketStore:
    """The market store on a server that runs; see `MarketStore` for what each method promises."""

    def __init__(self, access: Access, limits: Limits | None = None, clock: Clock | None = None) -> None:
        self.limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._console = Console(access, pool_max=self.limits.query_pool_max, seconds_max=self.limits.query_seconds_max)
        self._ingest = Ingest(access, self.limits)
        self._visibility = Visibility(self._console)
        self._pool = asyncio.Semaphore(self.limits.query_pool_max)
        self._refreshing = asyncio.Lock()
        self._refreshed_ns: int | None = None
        self._later = ThreadPoolExecutor(1, "questdb-seen")
        self._seen_lock = threading.Lock()
        self._seen = 0  # to be written; 0: nothing

    # --- the writer -----------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the tables and views that are missing, and check those that are there."""
        for table in TABLES:
            self._console.ask(table.create)
            self._check(table)
        for view in VIEWS:
            self._console.ask(view.create)
        self._console.ask(CREATE_CHECKPOINTS)

    def _check(self, table: Table) -> None:
        found = self._console.ask(f'SELECT "column", type, upsertKey FROM table_columns({quoted(table.name)})')
        wanted = [(name, kind, name in table.keys) for name, kind in table.columns]
        if [tuple(each) for each in found] != wanted:
            raise Conflict(
                f"Table {table.name} of the market store has other columns than this version writes.",
                hint="Rebuild the market store from the tape: tapedeck rebuild.",
            )

    def reset(self) -> None:
        """Drop all of ours and create it anew.

        The connection for writing goes first: the server keeps open writers per connection, and acknowledges rows
        that it writes to a table which was dropped meanwhile.
        """
        self._later.submit(lambda: None).result()  # a `seen` on its way would speak of what is gone
        self._ingest.close()
        for view in reversed(VIEWS):
            self._console.ask(f"DROP MATERIALIZED VIEW IF EXISTS {view.name}")
        for name in (*(table.name for table in TABLES), CHECKPOINTS):
            self._console.ask(f"DROP TABLE IF EXISTS {name}")
        self._visibility.forget()
        self.create()

    def write_market(self, frames: Sequence[MarketFrame]) -> None:
        """Trades, quotes and bars."""
        for table, columns in zip((TICKS, QUOTES, BARS), market_columns(frames), strict=True):
            self._ingest.write(table, columns)

    def write_decisions(self, frames: Sequence[DecisionFrame]) -> None:
        """Rows of decisions."""
        for kind in dict.fromkeys(frame.kind for frame in frames):
            self._ingest.write(DECISIONS[kind], decision_columns(frames, kind))

    def checkpoint(self) -> Checkpoint:
        """The last one whose commit is applied: perhaps not the last set, and then rows are written twice."""
        rows = self._console.ask(f"SELECT epoch, sequence, digest FROM {CHECKPOINTS} WHERE name = '{CHECKPOINT_NAME}'")
        return Checkpoint(*rows[0]) if rows else Checkpoint()

    def set_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint."""
        self._put(CHECKPOINT_NAME, checkpoint)

    def set_seen(self, sequence: int) -> None:
        """Kept beside the checkpoint. Does not block: a thread writes the newest; a failed one is made good later."""
        with self._seen_lock:
            busy, self._seen = self._seen > 0, max(self._seen, sequence)
        if not busy:
            self._later.submit(self._write_seen)

    def _write_seen(self) -> None:
        while True:
            with self._seen_lock:
                sequence = self._seen
            try:
                self._put(SEEN_NAME, Checkpoint("", sequence))
            except ReadModelUnavailable as error:
                log.warning("questdb_seen_not_written", sequence=sequence, error=str(error))
            with self._seen_lock:
                if self._seen == sequence:
                    self._seen = 0
                    return

    def _put(self, name: str, checkpoint: Checkpoint) -> None:
        values = (quoted(name), quoted(checkpoint.epoch), str(checkpoint.sequence), quoted(checkpoint.digest))
        self._console.ask(f"INSERT INTO {CHECKPOINTS} VALUES (0, {', '.join(values)})")

    # --- readers --------------------------------------------------------------------------------------------------

    async def _ask(self, question: Callable[[], T]) -> T:
        """Query and materialisation in one thread call, at most `query_pool_max` at once."""
        async with self._pool:
            return await asyncio.to_thread(question)

    async def _refresh(self, age_seconds_max: float) -> None:
        """Know the visible sequences as of at most so long ago; who asks meanwhile waits for the same answer."""
        asked = self._clock.monotonic_ns()
        async with self._refreshing:
            known = self._refreshed_ns
            if known is None or known < asked - round(age_seconds_max * NS_PER_SECOND):
                began = self._clock.monotonic_ns()
                await self._ask(self._visibility.refresh)
                self._refreshed_ns = began

    async def visible(self, *, candles: bool = False) -> int:
        """The visible sequence, at most `visible_age_seconds_max` old."""
        await self._refresh(self.limits.visible_age_seconds_max)
        return self._visibility.candles if candles else self._visibility.rows

    async def wait_visible(self, sequence: int, *, candles: bool = False, seconds: float | None = None) -> int:
        """Ask until it is visible."""
        bound = self.limits.wait_seconds_max if seconds is None else seconds
        deadline = self._clock.monotonic_ns() + round(bound * NS_PER_SECOND)
        seen = await self.visible(candles=candles)
        while seen < sequence:
            if self._clock.monotonic_ns() >= deadline:
                raise ReadModelUnavailable(
                    f"The market store shows events up to {seen}, and {sequence} did not come within {bound:g} s."
                    + "".join(f" {each.table}: {each.reason}." for each in self._visibility.troubles),
                    hint="Try again; if it stays so, see the lag of the projector in /api/health.",
                )
            await self._clock.sleep(self.limits.poll_seconds)
            await self._refresh(0.0)
            seen = self._visibility.candles if candles else self._visibility.rows
        return seen

    async def troubles(self) -> list[Trouble]:
        """Asked anew each time."""
        await self._refresh(0.0)
        return list(self._visibility.troubles)

    async def _answer(self, question: Callable[[], Rows], as_of: int | None, candles: bool = False) -> Answer:
        sequence = await (self.visible(candles=candles) if as_of is None else self._reach(as_of, candles))
        return Answer(await self._ask(question), sequence)

    async def _reach(self, as_of: int, candles: bool) -> int:
        await self.wait_visible(as_of, candles=candles)
        return as_of

    async def _market(self, table: Table, query: MarketQuery) -> Answer:
        check_span(query.span, self.limits)
        return await self._answer(lambda: reads.market_rows(self._console, table, query), query.as_of)

    async def ticks(self, query: MarketQuery) -> Answer:
        """Trades."""
        return await self._market(TICKS, query)

    async def quotes(self, query: MarketQuery) -> Answer:
        """Best bids and asks."""
        return await self._market(QUOTES, query)

    async def bars(self, query: MarketQuery) -> Answer:
        """Bars as they were given."""
        return await self._market(BARS, query)

    async def candles(self, query: MarketQuery, interval: Interval) -> Answer:
        """From the views, or from bars."""
        check_span(query.span, self.limits)
        whole = msgspec.structs.replace(query, span=whole_intervals(query.span, interval.ns))
        return await self._answer(
            lambda: candles.candles(self._console, self.limits, whole, interval), query.as_of, candles=True
        )

    async def mids(self, query: MarketQuery, interval: Interval) -> Answer:
        """From quotes."""
        check_span(query.span, self.limits)
        whole = msgspec.structs.replace(query, span=whole_intervals(query.span, interval.ns))
        return await self._answer(lambda: mid_candles.candles(self._console, self.limits, whole, interval), query.as_of)

    async def mid_prices(self, source: str, as_of: int | None = None) -> Answer:
        """From quotes."""
        return await self._answer(lambda: mid_candles.prices(self._console, source, as_of), as_of)

    async def prices(self, source: str, as_of: int | None = None) -> Answer:
        """From the views, or from bars."""
        return await self._answer(
            lambda: candles.prices(self._console, self.limits, source, as_of), as_of, candles=True
        )

    async def stats(self, source: str, first_ns: int, until_ns: int, as_of: int | None = None) -> Answer:
        """From the one-minute view, or from bars."""
        span = Span(*whole_minutes(first_ns, until_ns))
        return await self._answer(
            lambda: candles.stats(self._console, self.limits, source, span, as_of), as_of, candles=True
        )

    async def decisions(self, kind: SectionKind, query: SessionQuery) -> Answer:
        """Rows of one kind of one session."""
        check_span(query.span, self.limits)
        return await self._answer(lambda: reads.session_rows(self._console, DECISIONS[kind], query), query.as_of)

    async def content_hash(self) -> str:
        """Pages through every table in order of event time."""
        return await self._ask(self._content_hash)

    def _content_hash(self) -> str:
        content = ContentHash()
        for table in TABLES:
            for owners, rows in reads.pages(self._console, table, self.limits.rows_max):
                content.add(table.name, owners, rows)
        return content.hexdigest()

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.to_thread(self._later.shutdown)
        await asyncio.to_thread(self._ingest.close)
        self._console.close()
