"""Group commit under one fence: while one append is in flight, what was put meanwhile grows into the next one.

A lone item leaves at once, a burst leaves as one message. A message is frozen with its deterministic id when it is
first sent, and no second one is sent before the first is confirmed. After an error the writer is stopped: what was
put and not confirmed is not written, and every further call says why.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import msgspec

from events.clock import Clock, SystemClock
from events.errors import OperatingError
from events.tape import Append, Tape

Item = TypeVar("Item")


class WriterLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named maxima of one writer."""

    rows_max: int = 16_384  # of one message
    bytes_max: int = 524_288  # of one message's rows
    linger_seconds: float = 0.0  # how long a lone item waits for company
    queue_rows_max: int = 262_144  # unconfirmed, beyond which `put` waits
    queue_items_max: int = 65_536


class Family(Protocol[Item]):
    """How items of one subject family become messages (see `events.families`)."""

    def weigh(self, item: Item) -> tuple[int, int]:
        """Rows and bytes of an item."""
        ...

    def joins(self, items: list[Item], item: Item) -> bool:
        """Whether `item` may leave in the same message behind `items`."""
        ...

    def freeze(self, items: list[Item], expected: int) -> Append:
        """The one message of the items, with its deterministic id and its fence."""
        ...


Confirmed = Callable[[list[Item], int], None]


class FencedWriter(Generic[Item]):
    """Writes the items of one family in order; `expected` is the last sequence of its fence (0: none yet)."""

    def __init__(
        self,
        tape: Tape,
        family: Family[Item],
        expected: int,
        *,
        limits: WriterLimits | None = None,
        clock: Clock | None = None,
        confirmed: Confirmed[Item] | None = None,
    ) -> None:
        self.expected = expected
        self.failed: BaseException | None = None
        self.messages = 0  # confirmed so far
        self._tape, self._family = tape, family
        self._limits = limits or WriterLimits()
        self._clock: Clock = clock or SystemClock()
        self._confirmed = confirmed
        self._queue: deque[Item] = deque()
        self._rows = 0  # put and not confirmed
        self._items_put = 0
        self._items_confirmed = 0
        self._moved = asyncio.Event()
        self._grown = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def unconfirmed(self) -> int:
        """Items put and not confirmed."""
        return self._items_put - self._items_confirmed

    async def put(self, item: Item) -> None:
        """Hand over an item; waits only while the queue is full.

        Raises:
            FenceLost, OutcomeUnknown, TapeUnavailable: the writer is stopped.
        """
        rows, _ = self._family.weigh(item)
        while self.unconfirmed and (
            self._rows + rows > self._limits.queue_rows_max or self.unconfirmed >= self._limits.queue_items_max
        ):
            self._check()
            await self._moved.wait()
        self._check()
        self._queue.append(item)
        self._rows += rows
        self._items_put += 1
        self._grown.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def flush(self) -> int:
        """Wait until everything put so far is confirmed; returns the last confirmed sequence of the fence.

        Raises: as `put`.
        """
        target = self._items_put
        while self._items_confirmed < target:
            self._check()
            await self._moved.wait()
        self._check()
        return self.expected

    async def close(self) -> None:
        """Stop at once: an append in flight is given up, its outcome unknown. Call `flush` before where it matters."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._stop(OperatingError("The writer was closed.", code="WRITER_CLOSED"))

    async def _run(self) -> None:
        try:
            while True:
                await self._grown.wait()
                await self._company()
                while self._queue:
                    await self._send(self._take())
                self._grown.clear()
        except asyncio.CancelledError:
            self._stop(OperatingError("The writer was closed.", code="WRITER_CLOSED"))
        except Exception as error:
            self._stop(error)

    async def _company(self) -> None:
        """Let a lone item wait for others, where the limits say so."""
        if self._limits.linger_seconds and self._rows < self._limits.rows_max:
            await self._clock.sleep(self._limits.linger_seconds)

    def _take(self) -> list[Item]:
        """The items of the next message: the first, and those behind it that fit."""
        items = [self._queue.popleft()]
        rows, size = self._family.weigh(items[0])
        while self._queue and self._family.joins(items, self._queue[0]):
            more_rows, more_size = self._family.weigh(self._queue[0])
            if rows + more_rows > self._limits.rows_max or size + more_size > self._limits.bytes_max:
                break
            rows, size = rows + more_rows, size + more_size
            items.append(self._queue.popleft())
        return items

    async def _send(self, items: list[Item]) -> None:
        sequence = await self._tape.append(self._family.freeze(items, self.expected))
        self.expected = sequence
        self.messages += 1
        self._rows -= sum(self._family.weigh(item)[0] for item in items)
        self._items_confirmed += len(items)
        if self._confirmed is not None:
            self._confirmed(items, sequence)
        self._wake()

    def _stop(self, error: BaseException) -> None:
        if self.failed is None:
            self.failed = error
        self._wake()

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _check(self) -> None:
        if self.failed is not None:
            raise self.failed
