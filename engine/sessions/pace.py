"""Pacing: when rows of a recording are given to a session. It changes nothing else.

Whoever goes on after another run keeps the distance to that run's last row. The time in which nobody ran is not made
up for: rows never come faster than the pace.
"""

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
        self.last: tuple[int, int] | None = None  # event time of the last row given, and the instant (ns UTC)

    @property
    def free(self) -> bool:
        """Whether nothing ever waits."""
        return self._acceleration <= 0

    def gave(self, event_ns: int, at_ns: int | None = None) -> None:
        """Note the last row given, now or at an instant of an earlier run."""
        self.last = (event_ns, self._clock.now_ns() if at_ns is None else at_ns)

    def due(self, times_ns: np.ndarray) -> int:
        """How many of the rows with these event times (int64[n], ns, as `running_times` gives them) are due now."""
        if self.free or not len(times_ns):
            return len(times_ns)
        if self._first_event_ns is None:
            self._first_event_ns = int(times_ns[0])
            self._start_ns = self._clock.monotonic_ns() + self._rest_ns(self._first_event_ns)
        reached = self._first_event_ns + (self._clock.monotonic_ns() - self._start_ns) * self._acceleration
        return int(np.searchsorted(times_ns, int(reached), side="right"))  # a float would turn them all into floats

    def _rest_ns(self, event_ns: int) -> int:
        """How long the first row still waits: as far behind an earlier run's last row as it is at this pace."""
        if self.last is None:
            return 0
        gone_ns = max(self._clock.now_ns() - self.last[1], 0)
        return max(int((event_ns - self.last[0]) / self._acceleration) - gone_ns, 0)

    async def wait(self, next_ns: int) -> None:
        """Wait until a row of this event time is due, or a moment."""
        assert self._first_event_ns is not None, "due is asked first"
        target_ns = self._start_ns + (next_ns - self._first_event_ns) / self._acceleration
        seconds = (target_ns - self._clock.monotonic_ns()) / NS_PER_SECOND
        await self._clock.sleep(min(max(seconds, 0.0), WAIT_SECONDS_MAX))


def event_times(rows: Rows) -> np.ndarray:
    """Event times of market rows, closing times of bars, that never fall: int64[n], ns."""
    times = rows["ts_event_ns"]
    return running_times(times + rows["interval_ns"] if "interval_ns" in (rows.dtype.names or ()) else times)


def running_times(times_ns: np.ndarray) -> np.ndarray:
    """The greatest time so far at each row: int64[n], ns. Made once of a stretch, not at each look at its rest."""
    return np.maximum.accumulate(times_ns)
