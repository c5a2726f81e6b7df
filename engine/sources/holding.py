"""Who holds a source: it runs, in one process at a time, while at least one session of any process wants it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping

from engine.recordings.segments import Segments
from engine.sources.keeper import Keeper, KeepingSettings
from engine.sources.lease import Lease
from engine.sources.run import SourceRun
from engine.sources.source import Source
from events.clock import Clock
from events.tape import Keys, Tape


class Sources:
    """The sources that this process may run, and those that its sessions hold."""

    def __init__(
        self,
        tape: Tape,
        keys: Keys,
        clock: Clock,
        known: Mapping[str, Source],
        segments: Segments | None,
        settings: KeepingSettings | None = None,
    ) -> None:
        self._tape = tape
        self._keys = keys
        self._clock = clock
        self._known = known
        self._segments = segments
        self._settings = settings or KeepingSettings()
        self._holders: dict[str, list[str]] = {}  # sessions by source
        self._keepers: dict[str, Keeper] = {}

    @contextlib.asynccontextmanager
    async def held(self, source: str, session: str) -> AsyncIterator[None]:
        """See to it that the source runs, if it is one of ours, for as long as anybody is inside."""
        if source not in self._known:
            yield
            return
        holders = self._holders.setdefault(source, [])
        holders.append(session)
        if source not in self._keepers:
            self._keepers[source] = self._keeper(source)
        try:
            yield
        finally:
            holders.remove(session)
            if not holders:
                await self._keepers.pop(source).stop()

    def _keeper(self, source: str) -> Keeper:
        lease = Lease(self._keys, self._clock, source, self._settings.owner)
        return Keeper(self._clock, lease, lambda: self._run(source), self._settings)

    def _run(self, source: str) -> SourceRun:
        session = next(iter(self._holders[source]), "")
        return SourceRun(self._tape, self._clock, self._known[source], self._segments, session)
