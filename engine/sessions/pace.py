"""Pacing: when rows of a recording are given to a session. It changes nothing else."""

from __future__ import annotations

import numpy as np

from events.clock import NS_PER_SECOND, Clock
from events.rows import Rows

WAIT_SECONDS_MAX = 0.05  # so that commands are met in time


class Pace:
    """Event time against elapsed time. `acceleration` 1 is as it was, 10 ten times faster, 0 at once."""

    def __init__(self, clock: Clock, acceleration: float) -> None:
        self._clock = clock
        self._acceleration = acceleration
        self._first_event_ns: int | None = None
        self._start_ns = 0

    @property
    def free(self) -> bool:
        """Whether nothing ever waits."""
        return self._acceleration <= 0

    def due(self, times_ns: np.ndarray) -> int:
        """How many of the rows with these event times (int64[n], ns) are due now."""
        if self.free or not len(times_ns):
            return len(times_ns)
        if self._first_event_ns is None:
            self._first_event_ns = int(times_ns[0])
            self._start_ns = self._clock.monotonic_ns()
        reached = self._first_event_ns + (self._clock.monotonic_ns() - self._start_ns) * self._acceleration
        running = np.maximum.accumulate(times_ns)
        return int(np.searchsorted(running, reached, side="right"))

    async def wait(self, next_ns: int) -> None:
        """Wait until a row of this event time is due, or a moment."""
        assert self._first_event_ns is not None, "due is asked first"
        target_ns = self._start_ns + (next_ns - self._first_event_ns) / self._acceleration
        seconds = (target_ns - self._clock.monotonic_ns()) / NS_PER_SECOND
        await self._clock.sleep(min(max(seconds, 0.0), WAIT_SECONDS_MAX))


def event_times(rows: Rows) -> np.ndarray:
    """Event times of market rows, closing times of bars: int64[n], ns."""
    times = rows["ts_event_ns"]
    return times + rows["interval_ns"] if "interval_ns" in (rows.dtype.names or ()) else times
