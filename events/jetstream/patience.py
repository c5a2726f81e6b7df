"""How often and how long a bounded reading begins anew before it gives up: an election of a leader takes seconds."""

from __future__ import annotations

import structlog

from events.clock import NS_PER_SECOND, Clock
from events.errors import TapeUnavailable
from events.jetstream.link import Link

LOST_MAX = 5  # readers lost one after the other, without a message between and beyond the bound of time
PAUSE_FIRST_SECONDS = 0.05
PAUSE_SECONDS_MAX = 0.5
ELECTION_SECONDS_MAX = 15.0

_logger = structlog.get_logger(__name__)


class Patience:
    """Counts what is lost since the last message; `renew` begins to count anew.

    A stream that is `copied` has elections: then it is also waited for, up to `ELECTION_SECONDS_MAX`.
    """

    def __init__(self, link: Link, clock: Clock, stream: str, ready_seconds_max: float, *, copied: bool) -> None:
        self._link, self._clock, self._stream, self._copied = link, clock, stream, copied
        self._ready_seconds_max = ready_seconds_max
        self._lost = 0
        self._since_ns = 0
        self._pause = PAUSE_FIRST_SECONDS

    def renew(self) -> None:
        """A message came."""
        self._lost, self._pause = 0, PAUSE_FIRST_SECONDS

    async def lose(self, error: Exception, at: int) -> None:
        """Wait a moment before the reading begins anew at `at`.

        Raises:
            TapeUnavailable: that was tried often and long enough.
        """
        if not self._copied and isinstance(error, TapeUnavailable):
            raise error
        now = self._clock.monotonic_ns()
        self._since_ns = self._since_ns if self._lost else now
        self._lost += 1
        _logger.info("tape_reader_lost", stream=self._stream, sequence=at, lost=self._lost, reason=str(error))
        long = not self._copied or now - self._since_ns >= ELECTION_SECONDS_MAX * NS_PER_SECOND
        if (long and self._lost > LOST_MAX) or not await self._link.ready(self._ready_seconds_max):
            raise TapeUnavailable(
                f"Reading stream {self._stream} stopped before sequence {at}: {error}.",
                hint="See that the tape's server runs; if it does, run `tapedeck doctor`.",
            ) from None
        if self._copied:
            await self._clock.sleep(self._pause)
        self._pause = min(self._pause * 2, PAUSE_SECONDS_MAX)
