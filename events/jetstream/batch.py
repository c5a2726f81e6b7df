"""Bulk appends: several messages of one subject in flight, each fenced on the one before it.

The sequence that the message before will get is predicted: nobody else appends, so it is one more. Where somebody
did, the fence refuses this message and all behind it, none of them is stored out of order, and they are sent again,
fewer at a time. So neither a lost message nor one that is delivered late can make a gap.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable

import msgspec

from events import guards, retry
from events.iteration import in_order
from events.jetstream.log import JetStreamLog
from events.retry import NoAnswer, NotSent, Stale, Stored
from events.tape import Append, Limits

_CLEAN_BEFORE_WIDER = 16


class _Flight(msgspec.Struct):
    message: Append  # without a fence
    answer: asyncio.Task[Stored]


class BulkAppend:
    """One bulk append. Use it once."""

    def __init__(self, log: JetStreamLog, window: int) -> None:
        self._log = log
        self._window_max = max(window, 1)
        self._window = self._window_max
        self._clean = 0
        self._last = 0  # last confirmed sequence of the subject
        self._predicted = 0  # what it will be when everything in flight is confirmed
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
                self._start(message)
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
        expected = self._predicted if self._flights else self._last
        fenced = msgspec.structs.replace(message, expected=expected, fence=None)
        answer = asyncio.get_running_loop().create_task(self._log.store(fenced))
        self._flights.append(_Flight(message, answer))
        self._predicted = expected + 1

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
            fenced = msgspec.structs.replace(flight.message, expected=self._last, fence=None)
            self._confirm(await retry.append(self._log, fenced))

    def _confirm(self, sequence: int) -> None:
        self.sequences.append(sequence)
        self._last = max(self._last, sequence)

    def _widen(self) -> None:
        self._clean += 1
        if self._clean >= _CLEAN_BEFORE_WIDER and self._window < self._window_max:
            self._window, self._clean = self._window * 2, 0


async def _checked(messages: Iterable[Append] | AsyncIterator[Append], limits: Limits) -> AsyncIterator[Append]:
    async for message in in_order(messages):
        guards.check(message, limits)
        yield message


async def append_bulk(log: JetStreamLog, messages: Iterable[Append] | AsyncIterator[Append], window: int) -> list[int]:
    """See `Tape.append_bulk`."""
    return await BulkAppend(log, window).run(_checked(messages, log.limits))
