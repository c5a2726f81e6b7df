"""Bulk appends: several messages of one subject in flight, each chained to the one before it.

The first in flight is fenced on the subject's last confirmed sequence. Each further one carries the id of the message
sent before it, and the log stores it only directly behind that message. So a lost message, one that is delivered
late, or another's in between never makes a gap: what follows is refused, and sent again one by one with its fence,
then fewer at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable

import msgspec

from events import retry
from events.iteration import bulk
from events.jetstream.log import JetStreamLog
from events.retry import NoAnswer, NotSent, Stale, Stored
from events.tape import Append

_CLEAN_BEFORE_WIDER = 16


class _Flight(msgspec.Struct):
    message: Append
    answer: asyncio.Task[Stored]


class BulkAppend:
    """One bulk append. Use it once."""

    def __init__(self, log: JetStreamLog, window: int) -> None:
        self._log = log
        self._window_max = max(window, 1)
        self._window = self._window_max
        self._clean = 0
        self._last = 0  # last confirmed sequence of the subject
        self._flights: deque[_Flight] = deque()
        self.sequences: list[int] = []

    async def run(self, messages: AsyncIterator[Append]) -> list[int]:
        """Append them all; see `Tape.append_bulk`."""
        began = False
        try:
            async for message in messages:
                if not began:
                    self._last, began = await self._begin(message), True
                while len(self._flights) >= self._window:
                    await self._land()
                self._start(msgspec.structs.replace(message, expected=None, fence=None))
            while self._flights:
                await self._land()
        finally:
            for flight in self._flights:
                flight.answer.cancel()
            await asyncio.gather(*(flight.answer for flight in self._flights), return_exceptions=True)
        return self.sequences

    async def _begin(self, first: Append) -> int:
        if first.expected is not None:
            return first.expected
        newest = await retry.read(self._log, lambda: self._log.newest(first.subject))
        return newest.sequence if newest else 0

    def _start(self, message: Append) -> None:
        if self._flights:
            store = self._log.store(message, behind=self._flights[-1].message.message_id)
        else:
            store = self._log.store(self._fenced(message))
        self._flights.append(_Flight(message, asyncio.get_running_loop().create_task(store)))

    def _fenced(self, message: Append) -> Append:
        return msgspec.structs.replace(message, expected=self._last, fence=None)

    async def _land(self) -> None:
        """Confirm the oldest in flight; after any trouble confirm all of them, one by one, by the careful way."""
        flight = self._flights[0]
        try:
            stored = await asyncio.shield(flight.answer)
        except (Stale, NotSent, NoAnswer):
            await self._careful()
            return
        if stored.duplicate:
            await self._careful()
            return
        self._flights.popleft()
        self._confirm(stored.sequence)
        self._widen()

    async def _careful(self) -> None:
        flights, self._flights = list(self._flights), deque()
        await asyncio.gather(*(flight.answer for flight in flights), return_exceptions=True)
        self._window, self._clean = max(self._window // 2, 1), 0
        for flight in flights:
            self._confirm(await retry.append(self._log, self._fenced(flight.message)))

    def _confirm(self, sequence: int) -> None:
        self.sequences.append(sequence)
        self._last = max(self._last, sequence)

    def _widen(self) -> None:
        self._clean += 1
        if self._clean >= _CLEAN_BEFORE_WIDER and self._window < self._window_max:
            self._window, self._clean = self._window * 2, 0


async def append_bulk(log: JetStreamLog, messages: Iterable[Append] | AsyncIterator[Append], window: int) -> list[int]:
    """See `Tape.append_bulk`."""
    return await BulkAppend(log, window).run(bulk(messages, log.limits))
