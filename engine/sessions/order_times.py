"""Tick to order: from the tape's stamp of a market message until an order that it led to is on the tape.

Beside the decisions, never in them: the stamp is the message's own, and the clock is asked when the tape has answered.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator

from events.clock import NS_PER_SECOND, Clock
from events.decisions import Decision
from events.durations import Durations
from events.rows import SectionKind
from events.tape import Append


class OrderTimes:
    """Of one session; of each message that was read at most one look at what was decided."""

    def __init__(self, took: Durations, clock: Clock) -> None:
        self._took = took
        self._clock = clock
        self._appended_ns = 0  # of the market message that is decided on; 0: none, or one that was no news
        self._open: deque[tuple[Decision, int]] = deque()  # put and not confirmed

    @contextlib.contextmanager
    def of(self, appended_ns: int) -> Iterator[None]:
        """What is put within follows from a market message that the tape took at this time; 0: from none."""
        self._appended_ns = appended_ns
        try:
            yield
        finally:
            self._appended_ns = 0

    def put(self, decision: Decision) -> Decision:
        """A decision on its way to the writer."""
        if self._appended_ns and any(one.kind is SectionKind.ORDER for one in decision.sections):
            self._open.append((decision, self._appended_ns))
        return decision

    def confirmed(self, items: list[Decision | Append], sequence: int) -> None:
        """What the writer says of a message that is on the tape; items come in the order in which they were put."""
        now_ns = self._clock.now_ns() if self._open else 0
        for item in items:
            if self._open and item is self._open[0][0]:
                self._took.note((now_ns - self._open.popleft()[1]) / NS_PER_SECOND)
