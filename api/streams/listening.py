"""One client's queue of events: bounded, and a client that does not keep up is let go, not waited for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Generic, TypeVar

T = TypeVar("T")


class Listener(Generic[T]):
    """One client's queue."""

    def __init__(self, queue_max: int) -> None:
        self._queue: asyncio.Queue[T | None] = asyncio.Queue(queue_max + 1)
        self._queue_max = queue_max
        self.over = False  # behind, or nothing follows

    def offer(self, event: T) -> None:
        """Queue an event; one that does not fit is the end of this client."""
        if self._queue.qsize() >= self._queue_max:
            self.end()
        elif not self.over:
            self._queue.put_nowait(event)

    def end(self) -> None:
        """Nothing follows."""
        if not self.over:
            self.over = True
            with contextlib.suppress(asyncio.QueueFull):
                self._queue.put_nowait(None)

    async def next(self, seconds: float) -> T | None:
        """The next event; None after `seconds` without one, or when `over`."""
        if self.over:
            return None
        try:
            return await asyncio.wait_for(self._queue.get(), seconds)
        except TimeoutError:
            return None
