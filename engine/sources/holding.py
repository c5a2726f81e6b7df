"""Who holds a source: it runs while at least one session of this process wants it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import structlog

from engine.recordings.segments import Segments
from engine.sources.run import SourceRun
from engine.sources.source import Source
from events.clock import Clock
from events.tape import Keys, Tape

log = structlog.get_logger(__name__)

SIGN_SECONDS = 2.0


class Sources:
    """The sources that this process may run, and those that do."""

    def __init__(
        self, tape: Tape, keys: Keys, clock: Clock, known: Mapping[str, Source], segments: Segments | None
    ) -> None:
        self._tape = tape
        self._keys = keys
        self._clock = clock
        self._known = known
        self._segments = segments
        self._held: dict[str, int] = {}
        self._runs: dict[str, tuple[SourceRun, asyncio.Task[None]]] = {}

    @contextlib.asynccontextmanager
    async def held(self, source: str, session: str) -> AsyncIterator[None]:
        """Run the source, if it is one of ours and runs nowhere, for as long as anybody is inside."""
        if source not in self._known:
            yield
            return
        self._held[source] = self._held.get(source, 0) + 1
        try:
            if source not in self._runs and await self._keys.get(f"source.{source}") is None:
                run = SourceRun(self._tape, self._clock, self._known[source], self._segments, session)
                self._runs[source] = (run, asyncio.create_task(self._play(run)))
            yield
        finally:
            self._held[source] -= 1
            if not self._held[source]:
                await self._end(source)

    async def _play(self, run: SourceRun) -> None:
        sign = asyncio.create_task(self._show_life(run.source.id))
        try:
            ended = await run.run()
            log.info("source_ended", source=run.source.id, recording=ended.recording)
        except Exception as error:
            log.error("source_failed", source=run.source.id, error=str(error), kind=type(error).__name__)
        finally:
            sign.cancel()
            await self._keys.delete(f"source.{run.source.id}")

    async def _show_life(self, source: str) -> None:
        while True:
            await self._keys.put(f"source.{source}", str(self._clock.now_ns()).encode())
            await self._clock.sleep(SIGN_SECONDS)

    async def _end(self, source: str) -> None:
        if (running := self._runs.pop(source, None)) is not None:
            run, task = running
            run.stop()
            await task
