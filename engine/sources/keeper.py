"""Keeps one source running while sessions of this process wait for its rows, here or in whatever process runs it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
import structlog

from engine.sources.lease import Lease, LeaseTimes
from engine.sources.run import SourceRun
from events.clock import NS_PER_SECOND, Clock
from events.errors import OperatingError

log = structlog.get_logger(__name__)


class KeepingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who runs a source, and named limits of it."""

    owner: str = ""  # this process, also when it was killed and started again; empty: like no other
    lease: LeaseTimes = LeaseTimes()
    look_seconds: float = 1.0  # how often a source that runs elsewhere is looked for
    pause_seconds: float = 1.0  # before a source that failed runs again; twice as long each time
    pause_seconds_max: float = 60.0


class Keeper:
    """Takes the lease of a source whenever nobody has it, and runs it; until `stop`.

    A source that failed runs again after a pause. One whose rows ended keeps its lease and is not played again for the
    sessions that heard them.
    """

    def __init__(
        self, clock: Clock, lease: Lease, make_run: Callable[[], SourceRun], settings: KeepingSettings
    ) -> None:
        self._clock = clock
        self._lease = lease
        self._make_run = make_run
        self._settings = settings
        self._run: SourceRun | None = None
        self._stopping = asyncio.Event()
        self._pause_seconds = settings.pause_seconds
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End the run in order, where it is here, and give the lease back."""
        self._stopping.set()
        if self._run is not None:
            self._run.stop()
        await asyncio.wait({self._task})

    async def _keep(self) -> None:
        while not self._stopping.is_set():
            seconds = self._settings.look_seconds
            try:
                if await self._lease.take():
                    seconds = await self._hold()
                elif self._lease.ended:
                    await self._stopping.wait()
            except OperatingError as error:
                log.warning("source_waits", source=self._lease.source, error=str(error), code=error.code)
            except Exception:  # sessions wait for its rows
                log.exception("source_waits", source=self._lease.source)
            await self._rest(seconds)

    async def _hold(self) -> float:
        """Run the source under the lease; seconds until it may be looked for again."""
        self._run = run = self._make_run()
        keeping = asyncio.create_task(self._lease.keep(self._settings.lease, self._lost))
        began_ns = self._clock.monotonic_ns()
        seconds = self._settings.look_seconds
        try:
            if self._stopping.is_set():
                return seconds
            ended = await run.run()
            log.info("source_ended", source=run.source.id, recording=ended.recording)
            if not run.stopping:  # all its rows were given
                self._lease.finish()
                await self._stopping.wait()
        except Exception as error:
            log.error("source_failed", source=run.source.id, error=str(error), kind=type(error).__name__)
            seconds = self._pause(began_ns)
        finally:
            keeping.cancel()
            self._run = None
            await self._lease.release()
        return seconds

    def _lost(self) -> None:
        if self._run is not None:
            self._run.stop()

    def _pause(self, began_ns: int) -> float:
        settings = self._settings
        if self._clock.monotonic_ns() - began_ns > settings.pause_seconds_max * NS_PER_SECOND:
            self._pause_seconds = settings.pause_seconds  # it ran well for a while
        seconds = self._pause_seconds
        self._pause_seconds = min(2 * seconds, settings.pause_seconds_max)
        return seconds

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
