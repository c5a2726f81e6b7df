"""Queries from asynchronous code: a bounded pool of threads, bounded waiting, bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, Generic, ParamSpec, TypeVar

import duckdb
import msgspec

from events.errors import ReadModelUnavailable
from projections.as_of import AsOf
from projections.duckdb.store import DuckStore, Snapshot

T = TypeVar("T")
P = ParamSpec("P")


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """What a query found, and as of which sequence of which tape (`Tape-Sequence`, `Tape-Epoch`)."""

    value: T
    sequence: int
    epoch: str


class Reads:
    """Runs query functions `query(snapshot, ...)` of `projections.read_models` on a store."""

    def __init__(self, store: DuckStore) -> None:
        self._store = store
        self._settings = store.settings
        self._threads = ThreadPoolExecutor(self._settings.readers_max, thread_name_prefix="read-model")
        self._waiting = 0

    async def run(
        self, query: Callable[Concatenate[Snapshot, P], T], as_of: AsOf, *args: P.args, **kwargs: P.kwargs
    ) -> Answer[T]:
        """The answer of one query as of a sequence, an instant or now (None).

        Raises:
            InvalidInput: `as_of` is neither a sequence nor an instant, or beyond what is applied; or as the query.
            Unknown: as the query.
            ReadModelUnavailable: too many queries wait, or this one took too long and was interrupted.
        """
        if self._waiting >= self._settings.readers_max + self._settings.waiting_max:
            raise ReadModelUnavailable(f"{self._waiting} queries wait already (waiting_max).", code="TOO_MANY_QUERIES")
        running: list[Snapshot] = []

        def work() -> Answer[T]:
            with self._store.read(as_of) as snapshot:
                running.append(snapshot)
                try:
                    return Answer(query(snapshot, *args, **kwargs), snapshot.sequence, snapshot.epoch)
                except (duckdb.InterruptException, duckdb.OutOfMemoryException, duckdb.IOException) as error:
                    raise ReadModelUnavailable(f"The query was not carried out: {error}") from error
                finally:
                    running.clear()

        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        future.add_done_callback(self._done)
        try:
            async with asyncio.timeout(self._settings.reader_seconds_max):
                return await asyncio.shield(future)
        except TimeoutError:
            for snapshot in running[:1]:
                snapshot.interrupt()
            raise ReadModelUnavailable(
                f"A query took longer than {self._settings.reader_seconds_max:g} s and was ended.",
                hint="Ask for a shorter range or a smaller page.",
            ) from None

    def _done(self, future: asyncio.Future[Answer[T]]) -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # seen, also where nobody waits any more

    def close(self) -> None:
        """Let the threads go when their queries have ended."""
        self._threads.shutdown(wait=True, cancel_futures=True)
