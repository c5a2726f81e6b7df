"""An event loop whose time is virtual and whose order is drawn from a seed: the same seed runs the same way.

Time stands still while anything can run, but for a microsecond a turn, and then jumps to the next timer. What is ready
at one moment runs in an order that the seed chooses. Calls into threads are made in place. Tasks and futures hash by
their number, so that sets of them have one order too.
"""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import numpy as np

from events.clock import NS_PER_SECOND, ulid

START_NS = 1_700_000_000 * NS_PER_SECOND
TURN_SECONDS = 1e-6
SHUFFLED_RATIO = 0.3  # of the turns
TURNS_MAX = 80_000  # of one run

Result = TypeVar("Result")


class Stuck(Exception):
    """Nothing can run and nothing is waited for that will come; or it goes on and on."""


class SeededTask(asyncio.Task[Any]):
    """A task that hashes by its number."""

    _number = 0

    def __hash__(self) -> int:
        return self._number


class SeededFuture(asyncio.Future[Any]):
    """A future that hashes by its number."""

    _number = 0

    def __hash__(self) -> int:
        return self._number


class _Selector(selectors.SelectSelector):
    """Waits for nothing: the loop's time moves instead."""

    loop: SeededLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass."""
        if timeout is None:
            raise Stuck("every task waits for another")
        self.loop.pass_by(timeout + TURN_SECONDS)
        return []


class SeededLoop(asyncio.SelectorEventLoop):
    """One seed, one order of everything."""

    def __init__(self, seed: int) -> None:
        self._virtual = 0.0
        self.chance = np.random.Generator(np.random.Philox(key=[seed, 1]))
        self._numbers = itertools.count(1)
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self._clock_resolution = TURN_SECONDS / 10
        self.turns = 0
        self.set_task_factory(self._task)

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual

    def pass_by(self, seconds: float) -> None:
        """Move on."""
        self._virtual += seconds

    def create_future(self) -> asyncio.Future[Any]:
        """A future with a number."""
        future = SeededFuture(loop=self)
        future._number = next(self._numbers)
        return future

    def _task(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **named: Any) -> SeededTask:
        task = SeededTask(work, loop=loop, **named)
        task._number = next(self._numbers)
        return task

    def run_in_executor(self, executor: Any, call: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Call it here and now."""
        future = self.create_future()
        try:
            future.set_result(call(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        self.turns += 1
        if self.turns == TURNS_MAX:
            raise Stuck(f"not over after {TURNS_MAX} turns")
        ready = self._ready  # type: ignore[attr-defined]
        if len(ready) > 1 and self.chance.random() < SHUFFLED_RATIO:
            handles = list(ready)
            ready.clear()
            ready.extend(handles[at] for at in self.chance.permutation(len(handles)))
        super()._run_once()  # type: ignore[misc]


class LoopClock:
    """The loop's virtual time, and ids that count."""

    def __init__(self) -> None:
        self._ids = 0

    def now_ns(self) -> int:
        """See `Clock.now_ns`."""
        return START_NS + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        """See `Clock.monotonic_ns`."""
        try:
            return round(asyncio.get_running_loop().time() * NS_PER_SECOND)
        except RuntimeError:  # before the loop runs
            return 0

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)

    def new_id(self) -> str:
        """See `Clock.new_id`."""
        self._ids += 1
        return ulid(self.now_ns(), self._ids.to_bytes(10, "big"))


def run(seed: int, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Run to the end on a loop of this seed; what is left of it is cancelled."""
    loop = SeededLoop(seed)
    try:
        return loop.run_until_complete(work())
    finally:
        left = sorted(asyncio.all_tasks(loop), key=hash)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
