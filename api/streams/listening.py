"""Clients that listen to events, each with a bounded queue: one that does not keep up is let go, not waited for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Generic, TypeVar

from events.errors import LimitReached

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


class Listeners(Generic[T]):
    """All clients of this process that listen to the same."""

    def __init__(self, clients_max: int, queue_max: int) -> None:
        self._clients_max = clients_max
        self._queue_max = queue_max
        self._listeners: set[Listener[T]] = set()

    @property
    def clients(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def check_room(self) -> None:
        """Raises LimitReached when no more clients fit."""
        if self.clients >= self._clients_max:
            raise LimitReached(f"{self.clients} clients listen; stream_clients_max is reached.")

    def join(self) -> Listener[T]:
        """A new client. Raises LimitReached."""
        self.check_room()
        listener = Listener[T](self._queue_max)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener[T]) -> None:
        """A client is gone."""
        self._listeners.discard(listener)

    def tell(self, event: T) -> None:
        """Queue an event for all."""
        for listener in list(self._listeners):
            listener.offer(event)

    def release(self) -> None:
        """End every stream: the server stops, or clients come back and see what is so then."""
        for listener in self._listeners:
            listener.end()
