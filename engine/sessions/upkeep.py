"""Upkeep of the blob store: snapshots of sessions that are over, and what killed puts left, are forgotten.

A session that ends by itself forgets its snapshots. Those of one that failed, was stopped while it was suspended, or
whose process was killed at its very end are found here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from engine.sessions.snapshots import ROOT
from events.clock import Clock
from events.errors import OperatingError
from events.tape import Blobs

log = structlog.get_logger(__name__)

UPKEEP_SECONDS = 3_600.0


class Upkeep:
    """Looks through the store now and then, until it is cancelled."""

    def __init__(
        self,
        blobs: Blobs,
        clock: Clock,
        is_over: Callable[[str], bool],
        tidy: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        self._blobs = blobs
        self._clock = clock
        self._is_over = is_over
        self._tidy = tidy

    async def run(self, seconds: float = UPKEEP_SECONDS) -> None:
        """For ever; what fails is tried again the next time."""
        while True:
            await self._clock.sleep(seconds)
            try:
                await self.once()
            except OperatingError as error:
                log.warning("upkeep_failed", error=str(error), code=error.code)

    async def once(self) -> int:
        """Forget what nobody reads any more; how many snapshots that were. Raises OperatingError."""
        names = [name for name in await self._blobs.names(ROOT) if self._is_over(name.split("/")[1])]
        for name in names:
            await self._blobs.delete(name)
        puts = await self._tidy() if self._tidy is not None else 0
        log.info("upkeep_done", snapshots=len(names), puts=puts)
        return len(names)
