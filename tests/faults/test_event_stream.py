"""The stream of a real house, resumed again and again under load: no gap, no repeat, and a slow client harms nobody."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import numpy as np
import pytest

from api import bootstrap
from api.bootstrap import Connection
from events import codec, subjects
from events.clock import SystemClock
from events.facts import CommandAccepted
from events.tape import Tape
from tests.api.served import EventStream
from tests.faults.houses import real_house, settings_of

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3_600)]

PAUSE_SECONDS = 0.02  # between two events
SLOW_EVERY = 8  # clients of which one sleeps over its events
SLOW_SECONDS_MAX = 60.0
LEAVES_PER_CLIENT = 12  # over the whole time, a mean
PADDING = "k" * 1_000  # of an event, so that who sleeps has more to take than its buffers hold
SLOW_BUFFER_BYTES = 8_192
CATCH_UP_SECONDS = 240.0


class Listener:
    """A client that leaves and comes back. What it was given must follow `first` without gap or repeat."""

    def __init__(self, port: int, number: int, first: int) -> None:
        self.stream = EventStream(port)
        self.slow = number % SLOW_EVERY == 0
        self.seen = first
        self.resumed = 0
        self.dropped = 0
        self.late_max = 0  # events that it was behind, of those that read at once
        self._chance = np.random.Generator(np.random.Philox(key=number))

    async def listen(self, writer: Writer, stay_seconds: float) -> None:
        """Until the writer has ended and everything was seen."""
        while self.seen < writer.last or not writer.ended:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self.stream.join(self.seen, SLOW_BUFFER_BYTES if self.slow else 0)
                self.resumed += 1
                await self._stay(writer, float(self._chance.random()) * 2 * stay_seconds)
            await self.stream.leave()

    async def _stay(self, writer: Writer, seconds: float) -> None:
        if self.slow:
            self.stream.pause()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(SLOW_SECONDS_MAX, seconds)):
                    await writer.over.wait()
            self.stream.resume()
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        with suppress(TimeoutError):
            while loop.time() < until and not (writer.ended and self.seen >= writer.last):
                await self.stream.read(self.seen + 1, max(0.01, until - loop.time()))
                self._take(writer)
                if self.stream.dropped or self.stream.over:
                    self.dropped += 1
                    return
        self._take(writer)

    def _take(self, writer: Writer) -> None:
        ids = self.stream.ids
        assert ids == list(range(self.seen + 1, self.seen + 1 + len(ids))), (self.seen, ids[:5], ids[-5:])
        if ids:
            self.seen = ids[-1]
            ids.clear()
            self.late_max = max(self.late_max, writer.last - self.seen)


class Writer:
    """Appends facts until its time is over."""

    def __init__(self, tape: Tape, last: int) -> None:
        self._tape = tape
        self.last = last
        self.over = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.over.is_set()

    async def write(self, seconds: float) -> None:
        """One fact after the other, on the tape's aggregate of recordings, which nobody's session reads."""
        loop = asyncio.get_running_loop()
        until, number = loop.time() + seconds, 0
        while loop.time() < until:
            number += 1
            fact = CommandAccepted(key=f"{PADDING}{number}", cause=0)
            self.last = await self._tape.append(codec.to_append(fact, subjects.recording("load"), f"load:{number}"))
            await asyncio.sleep(PAUSE_SECONDS)
        self.over.set()


async def test_streams_resumed_under_load(tmp_path: Path, stream_clients: int, stream_seconds: int) -> None:
    """Many clients, one in eight slow, come and go for the whole time; each sees every event once and in order."""
    settings = settings_of(tmp_path / "data", "duckdb")
    async with real_house(settings) as running, AsyncExitStack() as stack:
        connection: Connection = await bootstrap.connect(settings, "admin", SystemClock())
        stack.push_async_callback(connection.close)
        port = int(running.url.rpartition(":")[2])
        last = (await connection.tape.info()).last
        writer = Writer(connection.tape, last)
        listeners = [Listener(port, number, last) for number in range(stream_clients)]
        async with asyncio.timeout(stream_seconds + CATCH_UP_SECONDS), asyncio.TaskGroup() as group:
            group.create_task(writer.write(stream_seconds))
            for listener in listeners:
                group.create_task(listener.listen(writer, stream_seconds / LEAVES_PER_CLIENT))
        assert {listener.seen for listener in listeners} == {writer.last}
    resumed = sum(listener.resumed for listener in listeners)
    assert resumed >= stream_clients * LEAVES_PER_CLIENT / 2
    late = max(listener.late_max for listener in listeners if not listener.slow)
    dropped = {slow: sum(one.dropped for one in listeners if one.slow == slow) for slow in (True, False)}
    assert dropped[False] == 0, "who reads at once is let go for nobody's sake"
    told = f"{writer.last - last} events, {resumed} times resumed, {dropped[True]} slow ones dropped"
    print(f"{told}, at most {late} behind")  # noqa: T201
