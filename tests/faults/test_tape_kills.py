"""The tape's server killed at random moments under load: nothing confirmed is lost, nothing stands twice."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from events.errors import OutcomeUnknown, TapeUnavailable
from events.jetstream.link import Link
from events.jetstream.server import NatsServer
from events.jetstream.tape import JetStreamTape
from events.tape import MESSAGE_ID, Append, Limits, Message
from tests.fixtures.nats import OWNER, started_server
from tests.fixtures.waiting import until

SESSIONS = 3
LIMITS = Limits(append_seconds_max=2.0)


class Load:
    """Writers of sessions and of a source, and a tail, until told to stop."""

    def __init__(self, tape: JetStreamTape) -> None:
        self.tape = tape
        self.confirmed: dict[str, int] = {}
        self.heard: list[Message] = []
        self.stopping = False

    async def session(self, name: str) -> None:
        """Appends under the session's fence, single and in batches; repeats what is unknown."""
        last, number = 0, 0
        fence = f"tape.session.{name}.>"
        while not self.stopping:
            size = 1 if number % 3 else 4
            first = Append(f"tape.session.{name}.decision", b"d" * 400, f"{name}-{number}", {}, last, fence)
            rest = [Append(f"tape.session.{name}.fact", b"{}", f"{name}-{number + at}") for at in range(1, size)]
            batch = [first, *rest]
            try:
                sequences = await self.tape.append_atomic(batch)
            except (OutcomeUnknown, TapeUnavailable):
                continue
            self.confirmed |= {message.message_id: at for message, at in zip(batch, sequences, strict=True)}
            last, number = sequences[-1], number + size

    async def source(self) -> None:
        """Bulk appends of one source, tried again from the start of the piece when they fail."""
        last, number = 0, 0
        while not self.stopping:
            piece = [Append("tape.market.x", b"r" * 20_000, f"x-{number + at}") for at in range(10)]
            piece[0] = Append("tape.market.x", piece[0].body, piece[0].message_id, {}, last)
            try:
                sequences = await self.tape.append_bulk(piece, window=4)
            except (OutcomeUnknown, TapeUnavailable):
                continue
            self.confirmed |= {message.message_id: at for message, at in zip(piece, sequences, strict=True)}
            last, number = sequences[-1], number + 10

    async def hear(self, message: Message) -> None:
        """The tail's callback."""
        self.heard.append(message)


async def kill_often(server: NatsServer, times: int, seed: int) -> None:
    """SIGKILL at random moments; the watch starts it again."""
    chance = np.random.Generator(np.random.Philox(key=seed))
    for _ in range(times):
        await asyncio.sleep(0.05 + float(chance.random()) * 0.25)
        if (killed := server.pid) is None:
            continue
        os.kill(killed, signal.SIGKILL)
        await until(lambda: server.pid not in (None, killed))


@pytest.mark.faults
@pytest.mark.timeout(3_000)
async def test_nothing_confirmed_is_lost(tmp_path: Path, kills_count: int) -> None:
    """Sessions, a source and a tail go on while the server is killed; every confirmed message stands once."""
    server = await started_server(tmp_path / "nats")
    server.settings = type(server.settings)(restarts_max=10_000)
    watch = asyncio.create_task(server.watch())
    link = await Link.open(server.endpoint(OWNER))
    tape = await JetStreamTape.open(link, limits=LIMITS)
    load = Load(tape)
    tail = await tape.tail(1, load.hear)
    writers = [asyncio.create_task(load.session(f"s{number}")) for number in range(SESSIONS)]
    writers.append(asyncio.create_task(load.source()))
    try:
        await kill_often(server, kills_count, seed=kills_count)
        load.stopping = True
        async with asyncio.timeout(60):
            await asyncio.gather(*writers)
            stored = [message async for message in tape.read()]
            await until(lambda: len(load.heard) >= len(stored) or tail.failed is not None, 30)
        assert tail.failed is None
    finally:
        for writer in writers:
            writer.cancel()
        await tape.close()
        await link.close()
        await server.stop()
        await watch
    where = {message.headers[MESSAGE_ID]: message.sequence for message in stored}
    assert len(where) == len(stored), "a message stands twice"
    assert {key: where.get(key) for key in load.confirmed} == load.confirmed, "a confirmed message is lost or moved"
    assert [message.sequence for message in load.heard] == list(range(1, len(stored) + 1)), (
        "the tail missed or repeated"
    )
    for name in (*(f"s{number}" for number in range(SESSIONS)), "x"):
        numbers = [int(key.split("-")[1]) for key in where if key.startswith(f"{name}-")]
        assert numbers == list(range(len(numbers))), f"messages of {name} stand out of order"
