"""How long what is appended takes until reads show it, told by the process that applies it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from events.clock import NS_PER_SECOND, Clock
from events.durations import SHOWN_SECONDS, Durations
from events.errors import OperatingError
from events.tape import Message

log = structlog.get_logger(__name__)

METRIC = "tapedeck_projection_seconds"
REST_SECONDS = 1.0  # between two looks at a store that shows what it was given later

Shown = Callable[[int], Awaitable[object]]  # returns when reads show everything up to a sequence


class Latency:
    """Of one runner. Without `shown`, what is applied is shown; else one batch at a time is waited for."""

    def __init__(self, name: str, clock: Clock, shown: Shown | None) -> None:
        self.took = Durations(METRIC, SHOWN_SECONDS, (("projection", name),))
        self._clock = clock
        self._shown = shown
        self._waiting: asyncio.Task[None] | None = None

    def applied(self, messages: list[Message]) -> None:
        """A batch is applied that was not there when the process began."""
        appended = [message.appended_ns for message in messages]
        if self._shown is None:
            self._note(appended)
        elif self._waiting is None or self._waiting.done():
            self._waiting = asyncio.create_task(self._wait(self._shown(messages[-1].sequence), appended))

    def _note(self, appended: Iterable[int]) -> None:
        now_ns = self._clock.now_ns()
        for at_ns in appended:
            self.took.note((now_ns - at_ns) / NS_PER_SECOND)

    async def _wait(self, shown: Awaitable[object], appended: list[int]) -> None:
        try:
            await shown
            self._note(appended)
        except OperatingError as error:  # health says what is wrong with the store
            log.warning("latency_unknown", error=str(error), code=error.code)
        except Exception:  # the next batch is looked at again
            log.exception("latency_unknown")
        await self._clock.sleep(REST_SECONDS)

    async def close(self) -> None:
        """Wait for nothing any more."""
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)
