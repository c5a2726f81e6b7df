"""The market store in DuckDB, for machines without QuestDB: one file of one process, which writes and reads it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow

from events.clock import NS_PER_SECOND, Clock, SystemClock
from events.errors import Conflict, ReadModelUnavailable
from events.rows import Rows, SectionKind
from projections import market_duckdb_queries as queries
from projections.batch import Checkpoint
from projections.market_columns import Columns, decision_columns, market_columns
from projections.market_duckdb_queries import BARS, DECISIONS, QUOTES, TABLES, TICKS, Ask, Table
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

_arrow_types: Any = pyarrow  # pyarrow has no types of its own
_CREATE_CHECKPOINT = "CREATE TABLE IF NOT EXISTS checkpoint (epoch VARCHAR, sequence BIGINT, digest VARCHAR)"


class DuckMarketSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named limits of the file."""

    memory_limit_mb: int = 256
    threads: int = 2
    close_seconds_max: float = 10.0  # that a close waits for who reads


class DuckMarketStore:
    """The market store in one file; see `MarketStore` for what each method promises.

    What is written is visible when the write returned, candles too.
    """

    def __init__(
        self,
        path: Path,
        limits: Limits | None = None,
        clock: Clock | None = None,
        settings: DuckMarketSettings | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._path = path
        self._settings = settings or DuckMarketSettings()
        self._writer = self._open(self._settings)
        self._writing = threading.Lock()
        self._reading: list[duckdb.DuckDBPyConnection] = []
        self._pool = asyncio.Semaphore(self.limits.query_pool_max)
        self._last: dict[str, int] = {}  # largest sequence of each table
        self._seen = 0
        self._visible = 0

    def _open(self, settings: DuckMarketSettings) -> duckdb.DuckDBPyConnection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return duckdb.connect(
                str(self._path),
                config={
                    "memory_limit": f"{settings.memory_limit_mb}MB",
                    "threads": settings.threads,
                    "autoinstall_known_extensions": "false",
                    "autoload_known_extensions": "false",
                    "temp_directory": str(self._path.with_suffix(".spill")),
                },
            )
        except duckdb.Error as error:
            raise ReadModelUnavailable(
                f"{self._path} cannot be opened: {str(error).splitlines()[0]}",
                hint="Another process has it open, or it is damaged: delete it, it is built again from the tape.",
            ) from error

    # --- the writer -----------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the tables that are missing, and check those that are there."""
        with self._writing:
            self._writer.execute(_CREATE_CHECKPOINT)
            for table in TABLES:
                self._writer.execute(table.create)
                self._check(table)
                row = self._writer.execute(f'SELECT coalesce(max("sequence"), 0) FROM {table.name}').fetchone()
                self._last[table.name] = int(row[0]) if row else 0
            self._visible = max(self._seen, self._read_checkpoint().sequence)

    def _check(self, table: Table) -> None:
        found = self._writer.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index",
            [table.name],
        ).fetchall()
        if tuple(found) != table.columns:
            raise Conflict(
                f"Table {table.name} of the market store has other columns than this version writes.",
                hint="Rebuild the market store from the tape: tapedeck rebuild.",
            )

    def reset(self) -> None:
        """Drop everything and create it anew."""
        with self._writing:
            for name in (*(table.name for table in TABLES), "checkpoint"):
                self._writer.execute(f"DROP TABLE IF EXISTS {name}")
            self._seen = self._visible = 0
        self.create()

    def write_market(self, frames: Sequence[MarketFrame]) -> None:
        """Trades, quotes and bars, in one transaction."""
        self._write(list(zip((TICKS, QUOTES, BARS), market_columns(frames), strict=True)))

    def write_decisions(self, frames: Sequence[DecisionFrame]) -> None:
        """Rows of decisions, in one transaction."""
        kinds = dict.fromkeys(frame.kind for frame in frames)
        self._write([(DECISIONS[kind], decision_columns(frames, kind)) for kind in kinds])

    def _write(self, parts: list[tuple[Table, Columns]]) -> None:
        with self._writing, self._writer.cursor() as cursor:
            cursor.begin()
            try:
                for table, columns in parts:
                    if len(columns):
                        _insert(cursor, table, columns, self._last[table.name])
                cursor.commit()
            except duckdb.Error as error:
                cursor.rollback()
                raise ReadModelUnavailable(f"{self._path} did not take rows: {error}") from error
            for table, columns in parts:
                self._last[table.name] = max(self._last[table.name], int(columns.sequence.max(initial=0)))

    def checkpoint(self) -> Checkpoint:
        """The last one set."""
        with self._writing:
            return self._read_checkpoint()

    def _read_checkpoint(self) -> Checkpoint:
        row = self._writer.execute("SELECT epoch, sequence, digest FROM checkpoint").fetchone()
        return Checkpoint(*row) if row else Checkpoint()

    def set_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replace it."""
        with self._writing, self._writer.cursor() as cursor:
            cursor.begin()
            cursor.execute("DELETE FROM checkpoint")
            cursor.execute("INSERT INTO checkpoint VALUES (?, ?, ?)", list(msgspec.structs.astuple(checkpoint)))
            cursor.commit()
            self._visible = max(self._seen, checkpoint.sequence)

    def set_seen(self, sequence: int) -> None:
        """Kept in memory only: readers are in this process."""
        self._seen = max(self._seen, sequence)
        self._visible = max(self._visible, self._seen)

    # --- readers --------------------------------------------------------------------------------------------------

    async def visible(self, *, candles: bool = False) -> int:
        """The checkpoint, or what was seen behind it."""
        return self._visible

    async def wait_visible(self, sequence: int, *, candles: bool = False, seconds: float | None = None) -> int:
        """Look until it is there."""
        bound = self.limits.wait_seconds_max if seconds is None else seconds
        deadline = self._clock.monotonic_ns() + round(bound * NS_PER_SECOND)
        while self._visible < sequence:
            if self._clock.monotonic_ns() >= deadline:
                raise ReadModelUnavailable(
                    f"The market store shows events up to {self._visible}, and {sequence} did not come within"
                    f" {bound:g} s.",
                    hint="Try again; if it stays so, see the lag in /api/health.",
                )
            await self._clock.sleep(self.limits.poll_seconds)
        return self._visible

    async def troubles(self) -> list[Trouble]:
        """None: a transaction is applied or it is not."""
        return []

    async def _answer(self, question: Callable[[Ask], Rows], as_of: int | None) -> Answer:
        sequence = self._visible
        if as_of is not None:
            await self.wait_visible(as_of)
            sequence = as_of
        async with self._pool:
            return Answer(await self._in_thread(question), sequence)

    async def _in_thread(self, question: Callable[[Ask], Rows]) -> Rows:
        mine: list[duckdb.DuckDBPyConnection] = []
        running = asyncio.ensure_future(asyncio.to_thread(self._asked, question, mine))
        try:
            done, _ = await asyncio.wait([running], timeout=self.limits.query_seconds_max)
            if not done:
                _interrupt(mine)
            return await running
        except duckdb.Error as error:
            raise ReadModelUnavailable(f"The market store did not answer: {str(error).splitlines()[0]}") from error
        finally:
            if not running.done():  # nobody waits for it any more
                running.cancel()
                _interrupt(mine)

    def _asked(self, question: Callable[[Ask], Rows], mine: list[duckdb.DuckDBPyConnection]) -> Rows:
        with self._cursor() as cursor:
            mine.append(cursor)
            return _answered(cursor, question)

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of the thread that reads with it: it alone can close it."""
        cursor = self._writer.cursor()
        self._reading.append(cursor)
        try:
            yield cursor
        finally:
            cursor.close()
            self._reading.remove(cursor)

    async def _market(self, table: Table, query: MarketQuery) -> Answer:
        check_span(query.span, self.limits)
        return await self._answer(lambda ask: queries.market_rows(ask, table, query), query.as_of)

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
        """Computed from the rows of the span."""
        check_span(query.span, self.limits)
        whole = msgspec.structs.replace(query, span=whole_intervals(query.span, interval.ns))
        return await self._answer(lambda ask: queries.candles(ask, whole, interval), query.as_of)

    async def mids(self, query: MarketQuery, interval: Interval) -> Answer:
        """Computed from the quotes of the span."""
        check_span(query.span, self.limits)
        whole = msgspec.structs.replace(query, span=whole_intervals(query.span, interval.ns))
        return await self._answer(lambda ask: queries.mids(ask, whole, interval), query.as_of)

    async def mid_prices(self, source: str, as_of: int | None = None) -> Answer:
        """Computed from all quotes of the source."""
        return await self._answer(lambda ask: queries.mid_prices(ask, source, as_of), as_of)

    async def prices(self, source: str, as_of: int | None = None) -> Answer:
        """The newest price of each instrument."""
        return await self._answer(lambda ask: queries.prices(ask, source, as_of), as_of)

    async def stats(self, source: str, first_ns: int, until_ns: int, as_of: int | None = None) -> Answer:
        """Computed from the rows of the span."""
        span = Span(*whole_minutes(first_ns, until_ns))
        return await self._answer(lambda ask: queries.stats(ask, source, span, as_of), as_of)

    async def decisions(self, kind: SectionKind, query: SessionQuery) -> Answer:
        """Rows of one kind of one session."""
        check_span(query.span, self.limits)
        return await self._answer(lambda ask: queries.session_rows(ask, DECISIONS[kind], query), query.as_of)

    async def content_hash(self) -> str:
        """Reads every table in order."""
        return await asyncio.to_thread(self._content_hash)

    def _content_hash(self) -> str:
        content = ContentHash()
        with self._cursor() as cursor:
            for table in TABLES:
                cursor.execute(
                    f'SELECT {table.owner}, {table.select} FROM {table.name} ORDER BY ts_event_ns, "sequence", "index"'
                )
                while rows := cursor.fetchmany(self.limits.rows_max):
                    content.add(table.name, (row[0] for row in rows), _packed_tuples([row[1:] for row in rows], table))
        return content.hexdigest()

    async def close(self) -> None:
        """Close the file, behind a write that goes on; what is read is ended.

        Raises:
            ReadModelUnavailable: it does not end.
        """
        for _ in range(math.ceil(self._settings.close_seconds_max / self.limits.poll_seconds)):
            if not self._reading:
                break
            _interrupt(self._reading)
            await self._clock.sleep(self.limits.poll_seconds)
        else:
            raise ReadModelUnavailable("A query of the market store does not end.")
        with self._writing:
            self._writer.close()


def _interrupt(cursors: list[duckdb.DuckDBPyConnection]) -> None:
    for cursor in tuple(cursors):
        with contextlib.suppress(duckdb.Error):  # it is closed
            cursor.interrupt()


def _answered(cursor: duckdb.DuckDBPyConnection, question: Callable[[Ask], Rows]) -> Rows:
    def ask(sql: str, values: list[object], row: np.dtype) -> Rows:
        arrays = list(cursor.execute(sql, values).fetchnumpy().values())
        rows = np.zeros(len(arrays[0]), row)
        names = [name for name in row.names or () if not name.startswith("pad")]
        for name, array in zip(names, arrays, strict=True):
            rows[name] = array
        return rows

    return question(ask)


def _packed_tuples(tuples: list[tuple[object, ...]], table: Table) -> Rows:
    rows = np.zeros(len(tuples), table.row)
    for name, values in zip(table.stored, zip(*tuples, strict=True), strict=True):
        rows[name] = values
    return rows


def _insert(cursor: duckdb.DuckDBPyConnection, table: Table, columns: Columns, last: int) -> None:
    """Append; rows that may be there already are looked up first."""
    cursor.register("batch", _arrow(table, columns))
    names = ", ".join(f'"{name}"' for name, _ in table.columns)
    first = int(columns.sequence.min())
    if first > last and _ascends(columns):
        cursor.execute(f"INSERT INTO {table.name} ({names}) SELECT {names} FROM batch")
    else:
        cursor.execute(
            f'INSERT INTO {table.name} ({names}) SELECT DISTINCT ON ("sequence", "index") {names} FROM batch '
            f'ANTI JOIN (SELECT "sequence", "index" FROM {table.name} WHERE "sequence" >= {first}) '
            'USING ("sequence", "index")'
        )
    cursor.unregister("batch")


def _ascends(columns: Columns) -> bool:
    sequences, indexes = np.diff(columns.sequence), np.diff(columns.index)
    return bool(((sequences > 0) | ((sequences == 0) & (indexes > 0))).all())


def _arrow(table: Table, columns: Columns) -> Any:
    arrays = {
        table.owner: _arrow_types.DictionaryArray.from_arrays(
            _arrow_types.array(columns.codes), _arrow_types.array(list(columns.owners))
        )
    }
    for name in table.stored:
        placed = name in ("sequence", "index", "ordinal")
        arrays[name] = _arrow_types.array(
            getattr(columns, name) if placed else np.ascontiguousarray(columns.rows[name])
        )
    return _arrow_types.table(arrays)
