"""Messages between a tail and the projections: bounded by count and bytes, taken in batches."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from events.tape import Message


class MessageQueue:
    """First in, first out. A full queue makes the tail wait."""

    def __init__(self, messages_max: int, bytes_max: int) -> None:
        self._messages: deque[Message] = deque()
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._closed = False
        self._came = asyncio.Event()  # something changed for who takes
        self._went = asyncio.Event()  # and for who puts

    def __len__(self) -> int:
        return len(self._messages)

    async def put(self, message: Message) -> None:
        """Add one, when there is room; a closed queue drops it."""
        while self._is_full() and not self._closed:
            self._went.clear()
            await self._went.wait()
        if not self._closed:
            self._messages.append(message)
            self._bytes += len(message.body)
            self._came.set()

    def _is_full(self) -> bool:
        return len(self._messages) >= self._messages_max or self._bytes >= self._bytes_max

    async def take(self, messages_max: int, bytes_max: int, linger_seconds: float) -> list[Message]:
        """At least one message, in order; none when the queue is closed and empty.

        After the first it waits up to `linger_seconds` for company, not longer than the batch or the queue is full.
        A single message over `bytes_max` is a batch of its own.
        """

        def enough() -> bool:
            return self._closed or self._is_full() or len(self._messages) >= messages_max or self._bytes >= bytes_max

        await self._until(lambda: self._closed or bool(self._messages))
        if linger_seconds > 0 and not enough():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(linger_seconds):
                    await self._until(enough)
        taken = self._take(messages_max, bytes_max)
        self._went.set()
        return taken

    async def _until(self, enough: Callable[[], bool]) -> None:
        while not enough():
            self._came.clear()
            await self._came.wait()

    def _take(self, messages_max: int, bytes_max: int) -> list[Message]:
        taken: list[Message] = []
        room = bytes_max
        while self._messages and len(taken) < messages_max:
            size = len(self._messages[0].body)
            if taken and size > room:
                break
            room -= size
            self._bytes -= size
            taken.append(self._messages.popleft())
        return taken

    async def close(self) -> None:
        """Let everybody go; what is in it is forgotten."""
        self._closed = True
        self._messages.clear()
        self._bytes = 0
        self._came.set()
        self._went.set()
