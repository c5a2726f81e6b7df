"""When a session next tells how far it has read: at most every few seconds, and only what is new."""

from __future__ import annotations

from events.clock import NS_PER_SECOND, Clock


class ProgressTimes:
    """Where and when it was told last."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._ns = round(seconds * NS_PER_SECOND)
        self._inputs = 0
        self._at_ns = clock.monotonic_ns()

    def due(self, inputs: int) -> bool:
        """Whether so many inputs are to be told now; they count as told then."""
        now_ns = self._clock.monotonic_ns()
        if inputs <= self._inputs or now_ns - self._at_ns < self._ns:
            return False
        self._inputs, self._at_ns = inputs, now_ns
        return True
