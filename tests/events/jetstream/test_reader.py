"""Readings on a real server through what happens to them: idle time, lost consumers, restarts, large messages."""

from __future__ import annotations

import asyncio
import itertools
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events.errors import TapeShorter, TapeUnavailable
from events.jetstream import reader, streams
from events.jetstream.link import Link
from events.jetstream.tape import JetStreamTape
from events.retry import NotSent
from events.tape import Append, Limits, Message, Receive
from tests.fixtures.nats import OWNER, admin_link, nats_server, real_tape, started_server  # noqa: F401
from tests.fixtures.waiting import until


async def append(tape: JetStreamTape, first: int, count: int, size: int = 100) -> None:
    """Messages first..first+count-1 of a source."""
    await tape.append_bulk([Append("tape.market.x", b"x" * size, f"x-{first + at}") for at in range(count)])


def ear() -> tuple[list[int], Receive]:
    """A list and the callback that fills it."""
    heard: list[int] = []

    async def hear(message: Message) -> None:
        heard.append(message.sequence)

    return heard, hear


async def consumers(link: Link) -> list[str]:
    """Names of the consumers of the tape."""
    return list(msgspec.json.decode(await streams.api(link, "CONSUMER.NAMES.TAPE")).get("consumers") or [])


async def test_idle_tail_stays_alive(real_tape: JetStreamTape, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """A tail to which nothing happens for many times the length of a question still delivers at once."""
    monkeypatch.setattr(reader, "EXPIRES_SECONDS", 0.1)
    heard, hear = ear()
    tail = await real_tape.tail(1, hear)
    await asyncio.sleep(0.55)
    await append(real_tape, 0, 3)
    await until(lambda: len(heard) == 3, 2)
    assert heard == [1, 2, 3]
    await tail.close()


async def test_deleted_consumer_is_made_anew(real_tape: JetStreamTape, admin_link: Link) -> None:  # noqa: F811
    """A tail whose consumer vanished goes on behind its last message."""
    heard, hear = ear()
    tail = await real_tape.tail(1, hear)
    for round_ in range(3):
        await append(real_tape, round_ * 10, 10)
        await until(lambda: len(heard) == 10 * (round_ + 1))  # noqa: B023 - waited for in this round
        (name,) = await consumers(admin_link)
        await streams.api(admin_link, f"CONSUMER.DELETE.TAPE.{name}")
    await append(real_tape, 30, 10)
    await until(lambda: len(heard) == 40)
    assert heard == list(range(1, 41))
    await tail.close()


class BreaksAtQuestion:
    """A line that breaks at the next question for messages, once."""

    def __init__(self, link: Link) -> None:
        self.broke = False
        self._link = link
        self._send = link.send
        link.send = self.send  # type: ignore[method-assign]

    async def send(self, subject: str, *arguments: Any, **named: Any) -> None:
        """See `Link.send`."""
        if "MSG.NEXT" in subject and not self.broke:
            self.broke = True
            raise NotSent("the line broke")
        await self._send(subject, *arguments, **named)


async def test_a_line_that_breaks_before_the_first_question(
    real_tape: JetStreamTape,  # noqa: F811
    admin_link: Link,  # noqa: F811
) -> None:
    """A tail that is made anew goes on where the line breaks again between its consumer and its first question."""
    heard, hear = ear()
    tail = await real_tape.tail(1, hear)
    await append(real_tape, 0, 3)
    await until(lambda: len(heard) == 3)
    line = BreaksAtQuestion(real_tape._link)
    (name,) = await consumers(admin_link)
    await streams.api(admin_link, f"CONSUMER.DELETE.TAPE.{name}")
    await until(lambda: line.broke)
    await append(real_tape, 3, 3)
    await until(lambda: len(heard) == 6)
    assert heard == [1, 2, 3, 4, 5, 6]
    await tail.close()


async def test_a_reading_begins_over_a_line_that_breaks(real_tape: JetStreamTape) -> None:  # noqa: F811
    """A bounded reading whose line breaks at its first question begins again; a tail says that it cannot begin."""
    await append(real_tape, 0, 3)
    BreaksAtQuestion(real_tape._link)
    assert [message.sequence async for message in real_tape.read()] == [1, 2, 3]
    BreaksAtQuestion(real_tape._link)
    with pytest.raises(TapeUnavailable, match="cannot begin: the line broke"):
        await real_tape.tail(1, ear()[1])


async def test_readings_leave_no_consumer(real_tape: JetStreamTape, admin_link: Link) -> None:  # noqa: F811
    """Finished, abandoned and failed readings and closed tails leave nothing on the server."""
    await append(real_tape, 0, 30)
    async for _ in real_tape.read():
        break
    await real_tape.page(1)
    assert len([message async for message in real_tape.read()]) == 30
    _, hear = ear()
    await (await real_tape.tail(1, hear)).close()
    for _ in range(100):
        if not (left := await consumers(admin_link)):
            break
        await asyncio.sleep(0.02)
    assert left == []


async def test_slow_callback_outlives_its_consumer(
    real_tape: JetStreamTape,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A callback that takes longer than the server remembers the consumer misses nothing."""
    monkeypatch.setattr(reader, "INACTIVE_SECONDS", 0.2)
    monkeypatch.setattr(reader, "PREFETCH_FIRST", 2)
    monkeypatch.setattr("events.jetstream.tape.SILENCE_SECONDS_MAX", 1.0)
    real_tape.limits = Limits(prefetch_messages=2)
    heard: list[int] = []

    async def slow(message: Message) -> None:
        if message.sequence == 3:
            await asyncio.sleep(0.8)
        heard.append(message.sequence)

    tail = await real_tape.tail(1, slow)
    await append(real_tape, 0, 12)
    await until(lambda: len(heard) == 12)
    assert heard == list(range(1, 13))
    await tail.close()


async def test_large_messages_within_the_prefetch(
    real_tape: JetStreamTape,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the messages asked for are more bytes than a question may fetch, the reading asks again."""
    monkeypatch.setattr(reader, "PREFETCH_BYTES_MAX", 150_000)
    await append(real_tape, 0, 20, size=60_000)
    await append(real_tape, 20, 50, size=10)
    await append(real_tape, 70, 10, size=60_000)
    assert [message.sequence async for message in real_tape.read()] == list(range(1, 81))


async def test_restart_in_the_middle_of_a_reading(tmp_path: Path) -> None:
    """A reading goes on where it was when the server is killed and comes back."""
    server = await started_server(tmp_path / "nats")
    try:
        link = await Link.open(server.endpoint(OWNER))
        tape = await JetStreamTape.open(link, limits=Limits(prefetch_messages=8))
        await append(tape, 0, 100)
        places: list[int] = []
        async for message in tape.read():
            places.append(message.sequence)
            if message.sequence in (10, 50):
                server.kill()
                await server.restart()
        assert places == list(range(1, 101))
        await link.close()
    finally:
        await server.stop()


async def test_reading_without_a_server_is_bounded(tmp_path: Path) -> None:
    """A reading whose server does not come back ends with an error that names the place."""
    server = await started_server(tmp_path / "nats")
    try:
        link = await Link.open(server.endpoint(OWNER))
        limits = Limits(prefetch_messages=8, read_seconds_max=0.3)
        tape = await JetStreamTape.open(link, limits=limits)
        await append(tape, 0, 100)

        async def read() -> None:
            places = itertools.count(1)
            async for message in tape.read():
                assert message.sequence == next(places)
                if message.sequence == 20:
                    await server.stop()

        with pytest.raises(TapeUnavailable, match=r"stopped before sequence \d+"):
            await read()
        await link.close()
    finally:
        await server.stop()


async def test_tail_notices_a_shorter_tape(tmp_path: Path) -> None:
    """A tail whose server came back with an older copy of the tape stops and says how much is gone."""
    server = await started_server(tmp_path / "nats")
    try:
        link = await Link.open(server.endpoint(OWNER))
        tape = await JetStreamTape.open(link)
        await append(tape, 0, 2)
        await server.stop()
        shutil.copytree(tmp_path / "nats" / "store", tmp_path / "older")
        await server.start()
        heard, hear = ear()
        tail = await tape.tail(1, hear)
        await append(tape, 2, 3)
        await until(lambda: len(heard) == 5)
        await server.stop()
        shutil.rmtree(tmp_path / "nats" / "store")
        shutil.copytree(tmp_path / "older", tmp_path / "nats" / "store")
        await server.start()
        with pytest.raises(TapeShorter, match="3 messages are gone"):
            async with asyncio.timeout(20):
                await tail.ended()
        await link.close()
    finally:
        await server.stop()
