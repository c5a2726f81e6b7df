"""How many server-sent events a second does one process send to a hundred clients?

    .venv/bin/python -m benchmarks.sse [--clients 100] [--seconds 5] [--rounds 3]

Ours: the stream of `/api/tape/stream` over a tape in memory, where every event is worded and encoded once and its bytes
are shared by all clients. The baseline in the same run: Litestar's own `ServerSentEvent` over the same text, which
encodes for each client. Both by granian with one worker, each measurement in a fresh process: an endless stream whose
clients are gone would slow the next one. The clients, in this process, count the events that reach them. Rounds of both
take turns; the medians are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import socket
import statistics
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress

import psutil
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar, get
from litestar.response import ServerSentEvent, ServerSentEventMessage

from api.streams.hub import Hub, HubSettings
from api.streams.response import EventStream
from api.streams.wording import Filter, word
from events import codec, subjects
from events.facts import CommandAccepted
from events.memory_tape import MemoryTape
from events.tape import Append, Message

BURST = 64  # events that the tape has at once
QUEUE = 4_000
FACT = CommandAccepted(key="key:ann:0123456789abcdef", cause=12_345, session="exec_20251118_150123_xyz789")
MARK = b"\nevent: "


async def feed(tape: MemoryTape, hub: Hub) -> None:
    """Events as fast as the slowest client takes them."""
    body = codec.encode(FACT)
    number = 0
    while True:
        if hub.clients and hub.waiting < QUEUE // 4:
            for _ in range(BURST):
                number += 1
                await tape.append(Append(subjects.DESK, body, f"sse:{number}"))
        await asyncio.sleep(0)


def application() -> Litestar:
    """Both streams."""
    tape = MemoryTape()
    hub = Hub(tape, HubSettings(queue_max=QUEUE))
    feeding: list[asyncio.Task[None]] = []

    async def begin() -> None:
        await hub.start()
        feeding.append(asyncio.create_task(feed(tape, hub)))

    @get("/ours")
    async def ours() -> EventStream:
        return EventStream(hub.events(Filter(), None), {})

    @get("/theirs")
    async def theirs() -> ServerSentEvent:
        return ServerSentEvent(repeated())

    return Litestar([ours, theirs], openapi_config=None, on_startup=[begin])


async def repeated() -> AsyncGenerator[ServerSentEventMessage, None]:
    """The text of the same event, again and again."""
    text = word(Message(1, subjects.DESK, {}, codec.encode(FACT), 1_700_000_000_000_000_000)).data.decode()
    sequence = 0
    while True:
        sequence += 1
        yield ServerSentEventMessage(id=str(sequence), event="CommandAccepted", data=text)
        if sequence % BURST == 0:
            await asyncio.sleep(0)  # or nobody would hear that the client is gone


def serve(port: int) -> None:
    """The server's process."""

    async def run() -> None:
        server = Server(application(), port=port, interface=Interfaces.ASGI, log_enabled=False)
        await server.serve()

    asyncio.run(run())


class Counting(asyncio.Protocol):
    """A client: counts events that came."""

    count = 0

    def __init__(self, path: str) -> None:
        self._path = path

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(f"GET {self._path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Count; one that is cut between two pieces is left out."""
        Counting.count += data.count(MARK)


@contextmanager
def served() -> Iterator[tuple[int, psutil.Process]]:
    """A server in a process of its own: its port, and the process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    child = multiprocessing.get_context("spawn").Process(target=serve, args=(port,), daemon=True)
    child.start()
    try:
        yield port, psutil.Process(child.pid)
    finally:
        child.kill()  # it may be too busy with streams to hear anything else
        child.join(5)


async def measure(port: int, server: psutil.Process, path: str, clients: int, seconds: float) -> tuple[float, float]:
    """Events a second at the clients, and per second of the server's processor time."""
    await _listening(port)
    loop = asyncio.get_running_loop()
    joined = [await loop.create_connection(lambda: Counting(path), "127.0.0.1", port) for _ in range(clients)]
    await asyncio.sleep(1.0)
    began, count, spent = time.perf_counter(), Counting.count, sum(server.cpu_times()[:2])
    await asyncio.sleep(seconds)
    events = Counting.count - count
    elapsed, used = time.perf_counter() - began, sum(server.cpu_times()[:2]) - spent
    for transport, _ in joined:
        transport.abort()
    if not events:
        raise SystemExit(f"{path} sent nothing within {seconds:g} s: there is nothing to compare.")
    return events / elapsed, events / used


def compare(clients: int, seconds: float, rounds: int) -> None:
    """Rounds of both in turn; prints medians and the ratio."""
    rates: dict[str, list[tuple[float, float]]] = {"/ours": [], "/theirs": []}
    for number in range(rounds):
        for path, found in rates.items():
            with served() as (port, server):
                found.append(asyncio.run(measure(port, server, path, clients, seconds)))
            wall, used = found[-1]
            print(f"round {number + 1} {path:8} {wall:10,.0f} events/s {used:10,.0f} per CPU second")
    ours, theirs = ([statistics.median(each) for each in zip(*found, strict=True)] for found in rates.values())
    print(f"\n{clients} clients, medians of {rounds}")
    print(f"ours                       {ours[0]:10,.0f} events/s {ours[1]:10,.0f} per CPU second")
    print(f"Litestar ServerSentEvent   {theirs[0]:10,.0f} events/s {theirs[1]:10,.0f} per CPU second")
    print(f"ratio                      {ours[0] / theirs[0]:10.1f}          {ours[1] / theirs[1]:10.1f}")


async def _listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    compare(given.clients, given.seconds, given.rounds)


if __name__ == "__main__":
    main()
