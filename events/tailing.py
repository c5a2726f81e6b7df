"""A running tail: a task that hands each message of an endless reading to a callback, some at a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

import structlog

from events.tape import Message, Receive

log = structlog.get_logger(__name__)

CALLBACK_SECONDS_MAX = 10.0  # how long a close waits for a callback that is under way


class RunningTail:
    """Delivers in order and stops at the first error; a callback that is under way is let finish on close."""

    def __init__(
        self,
        messages: AsyncGenerator[list[Message], None],
        receive: Receive,
        on_end: Callable[[RunningTail], None] = lambda _: None,
    ) -> None:
        self.failed: BaseException | None = None
        self._messages, self._receive, self._on_end = messages, receive, on_end
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        sequence = 0
        try:
            async for messages in self._messages:
                self._idle.clear()
                for message in messages:
                    if self._stopped():
                        return
                    sequence = message.sequence
                    await self._receive(message)
                self._idle.set()
                if self._stopped():
                    return
        except asyncio.CancelledError:
            if not self._stopping:
                self.failed = RuntimeError("the tail was cancelled from outside")
        except Exception as error:
            self.failed = error
            log.error("tail_failed", sequence=sequence, error=str(error), kind=type(error).__name__)
        finally:
            self._idle.set()
            await self._messages.aclose()
            self._on_end(self)

    def _stopped(self) -> bool:
        return self._stopping

    async def close(self) -> None:
        """See `Tail.close`. Called from inside the callback it returns at once, and no further one follows."""
        self._stopping = True
        if asyncio.current_task() is self._task or self._task.done():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CALLBACK_SECONDS_MAX):
                await self._idle.wait()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def ended(self) -> None:
        """See `Tail.ended`."""
        await asyncio.wait([self._task])
        if self.failed is not None:
            raise self.failed
