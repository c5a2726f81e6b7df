"""When a session's next snapshot is due: after so many rows, messages or seconds."""

from __future__ import annotations

from engine.sessions.surroundings import RunnerSettings
from events.clock import NS_PER_SECOND, Clock


class SnapshotTimes:
    """Where and when the last snapshot was taken."""

    def __init__(self, settings: RunnerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._inputs, self._messages, self._at_ns = 0, 0, 0
        self._at_once = False

    def begin(self, inputs: int, *, due_at_once: bool) -> None:
        """The session stands at so many inputs; `due_at_once`: no snapshot of its code exists."""
        self.taken(inputs, 0)
        self._at_once = due_at_once

    def taken(self, inputs: int, messages: int) -> None:
        """One was taken."""
        self._inputs, self._messages, self._at_ns = inputs, messages, self._clock.monotonic_ns()
        self._at_once = False

    def due(self, inputs: int, messages: int) -> bool:
        """Whether it is time for another, and there is something new."""
        limits = self._settings
        return inputs > self._inputs and (
            self._at_once
            or inputs - self._inputs >= limits.snapshot_rows
            or messages - self._messages >= limits.snapshot_messages
            or self._clock.monotonic_ns() - self._at_ns >= limits.snapshot_seconds * NS_PER_SECOND
        )
