"""Taking part: how one of several processes on a tape folds it and acts on what it folded.

Nothing is done before all that stood on the tape at the start is folded: who acts on half of it proposes what others
have refused already. Whatever is folded, and time itself, is a reason to look again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import NamedTuple

import structlog

from engine.claims import cancelled
from engine.memory import Memory
from events.clock import Clock
from events.errors import OperatingError
from events.tape import Message, Tail, Tape

log = structlog.get_logger(__name__)


class Part(NamedTuple):
    """What a process does. `act` is called after every change, and at least every `look_seconds`."""

    name: str  # of the process, for the log
    subjects: tuple[str, ...]
    fold: Callable[[Message], None]
    act: Callable[[], Awaitable[None]]
    look_seconds: float


class TakingPart:
    """Takes one part until `close`."""

    def __init__(self, tape: Tape, clock: Clock, part: Part, changed: asyncio.Event | None = None) -> None:
        self._tape = tape
        self._clock = clock
        self._part = part
        self.changed = changed or asyncio.Event()
        self.folded = 0  # sequence of the last message folded
        self.due = 0  # nothing is done before this sequence is folded
        self._tasks: list[asyncio.Task[None]] = []
        self._memory: Memory | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._tail: Tail | None = None

    async def start(self, *beside: Coroutine[None, None, None], memory: Memory | None = None) -> None:
        """Fold the tape so far, from what is remembered of it on, then act.

        `beside` runs as long, and what ends it ends the part.
        """
        lasts = [await self._tape.last(subject) for subject in self._part.subjects]
        self.due = max((last.sequence for last in lasts if last), default=0)
        self._memory = memory
        if memory is not None:
            await self._recall(memory)
        self._tail = await self._tape.tail(self.folded + 1, self._fold, subjects=self._part.subjects)
        self._tasks = [asyncio.create_task(each) for each in (*beside, self._look())]

    async def _recall(self, memory: Memory) -> None:
        self.folded = await memory.recall()
        if self.folded and memory.fold.again:
            async for message in self._tape.read(1, subjects=memory.fold.again, end=self.folded):
                self._part.fold(message)

    async def close(self, also: Iterable[asyncio.Task[None]] = ()) -> None:
        """Stop acting, end these tasks as well, then stop folding."""
        keeping = [self._keeping] if self._keeping is not None else []
        await cancelled([*self._tasks, *keeping, *also])
        if self._tail is not None:
            await self._tail.close()

    @property
    def failed(self) -> BaseException | None:
        """What ended it before `close`; None while it takes part."""
        errors = (task.exception() for task in self._tasks if task.done() and not task.cancelled())
        found = next((error for error in errors if error is not None), None)
        return found or (self._tail.failed if self._tail is not None else None)

    async def ended(self) -> None:
        """Wait until something of it fails; raises what failed."""
        assert self._tail is not None, "started first"
        ending = asyncio.create_task(self._tail.ended())
        try:
            done, _ = await asyncio.wait([*self._tasks, ending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancelled([ending])
        for task in done:
            task.result()

    async def _fold(self, message: Message) -> None:
        self._part.fold(message)
        self.folded = message.sequence
        if self._memory is not None:
            self._memory.note()
        self.changed.set()

    async def _look(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), self._part.look_seconds)
            self.changed.clear()
            if self.folded < self.due:
                continue
            self._remember()
            try:
                await self._part.act()
            except OperatingError as error:
                log.warning("waits_for_the_tape", name=self._part.name, error=str(error), code=error.code)
                await self._clock.sleep(self._part.look_seconds)

    def _remember(self) -> None:
        memory = self._memory
        if memory is None or not memory.due or not memory.is_as_of(self.folded):
            return
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(memory.keep(self.folded, memory.take()))
