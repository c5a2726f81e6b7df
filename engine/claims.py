"""Claims: what a process has taken on (sessions, jobs), and the signs of life that keep it with that process.

A claim is a fact under a fence: of several processes that try, one is let through, and a stale one cannot write any
more. Keys with a lifetime only say when another process may try.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial

import structlog

from events.clock import NS_PER_SECOND, Clock
from events.errors import OperatingError
from events.tape import Keys

log = structlog.get_logger(__name__)

CANCEL_SECONDS = 0.2

# (name, what ended its work) -> whether it is not over, as far as this process has folded
Over = Callable[[str, BaseException | None], bool]


class Claims:
    """What this process has claimed and works on, by name."""

    def __init__(self, clock: Clock, over: Over, rest_seconds: float, doublings_max: int = 0) -> None:
        self._clock = clock
        self._over = over
        self._rest_seconds = rest_seconds
        self._doublings_max = doublings_max  # of the rest, each time that the same work breaks off again
        self._breaks: dict[str, int] = {}  # how often in a row
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._rest_until: dict[str, int] = {}  # whose work broke off, ns of the clock's elapsed time
        self.changed = asyncio.Event()  # set when something ended

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    def __len__(self) -> int:
        return len(self._tasks)

    def resting(self, name: str) -> bool:
        """Whether its work broke off a moment ago: no storm of claims."""
        return self._clock.monotonic_ns() < self._rest_until.get(name, 0)

    def begin(self, name: str, work: Coroutine[None, None, None]) -> None:
        """Work on what was claimed."""
        task = asyncio.create_task(work)
        self._tasks[name] = task
        task.add_done_callback(partial(self._ended, name))

    def cancel(self, name: str) -> None:
        """Break off what is worked on."""
        if name in self._tasks:
            self._tasks[name].cancel()

    def tasks(self) -> list[asyncio.Task[None]]:
        """What is worked on now: to be let go of when the process ends; it goes on elsewhere, or at the next start."""
        return list(self._tasks.values())

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(name, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("claimed_work_ended", name=name, error=str(error), kind=type(error).__name__)
        if self._over(name, error):
            breaks = self._breaks.get(name, 0)
            seconds = self._rest_seconds * 2 ** min(breaks, self._doublings_max)
            self._rest_until[name] = self._clock.monotonic_ns() + round(seconds * NS_PER_SECOND)
            self._breaks[name] = breaks + 1
        else:
            self._rest_until.pop(name, None)
            self._breaks.pop(name, None)
        self.changed.set()


async def cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they ended. A cancel that meets a finished `wait_for` is swallowed: say it again."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=CANCEL_SECONDS)


async def finished(work: Coroutine[None, None, None]) -> None:
    """Wait until the work is done, however often the one who waits is cancelled meanwhile."""
    task = asyncio.create_task(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task})


class SignOfLife:
    """One key, written at an interval, that ends by itself when nobody writes it."""

    def __init__(
        self, keys: Keys, clock: Clock, key: str, value: Callable[[], Awaitable[bytes]], seconds: float
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._key = key
        self._value = value
        self._seconds = seconds

    async def show(self) -> None:
        """Once. Raises OperatingError."""
        await self._keys.put(self._key, await self._value())

    async def run(self) -> None:
        """For ever; a key that cannot be written is tried again."""
        while True:
            await self._clock.sleep(self._seconds)
            try:
                await self.show()
            except OperatingError as error:
                log.warning("sign_of_life_failed", key=self._key, error=str(error))

    async def end(self) -> None:
        """No more."""
        await self._keys.delete(self._key)
