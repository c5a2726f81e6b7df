"""A house behind its real HTTP server, and clients of its event streams."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from granian.constants import Interfaces
from granian.server.embed import Server

from tests.api.worlds import World


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def served(made: World) -> AsyncIterator[int]:
    """Serve a world's application; the port."""
    port = free_port()
    server = Server(made.app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    try:
        await _listening(port)
        yield port
    finally:
        made.house.release()
        server.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(serving, 10)


async def _listening(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.02)


READ_BYTES = 262_144


class EventStream:
    """One client of /api/tape/stream. `ids` are the sequences it was given; they survive `leave` and `join`."""

    def __init__(self, port: int, query: str = "") -> None:
        self.port = port
        self.query = query
        self.ids: list[int] = []
        self.heartbeats = 0
        self.dropped = False
        self.over = False  # the server ended it
        self.head = b""
        self._part = b""  # of a line that has not come whole
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def join(self, last: int | None = None, receive_bytes: int = 0) -> None:
        """Connect, behind an event where one is named; with a receive buffer of a size where it is named."""
        resume = f"Last-Event-ID: {last}\r\n" if last is not None else ""
        connection = socket.socket()
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=connection)
        request = f"GET /api/tape/stream{self.query} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{resume}\r\n"
        writer.write(request.encode())
        self._reader, self._writer, self.dropped = reader, writer, False
        self.over, self._part = False, b""
        self.head = await reader.readuntil(b"\r\n\r\n")
        assert self.head.startswith(b"HTTP/1.1 200"), self.head

    async def read(self, until: int, seconds: float = 20.0) -> None:
        """Read until an event of this sequence, or one behind it, or the end of the stream."""
        assert self._reader is not None
        async with asyncio.timeout(seconds):
            while not self.ids or self.ids[-1] < until:
                await self._more(self._reader)
                if self.over or self.dropped:
                    return

    async def beat(self, count: int, seconds: float = 10.0) -> None:
        """Read until so many heartbeats came."""
        assert self._reader is not None
        async with asyncio.timeout(seconds):
            while self.heartbeats < count:
                await self._more(self._reader)

    async def _more(self, reader: asyncio.StreamReader) -> None:
        data = await reader.read(READ_BYTES)
        self.over = not data
        *lines, self._part = (self._part + data).split(b"\n")
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        if line.startswith(b"id: "):
            self.ids.append(int(line[4:]))
        elif line.startswith(b": heartbeat"):
            self.heartbeats += 1
        elif line.startswith(b"event: dropped"):
            self.dropped = True

    async def leave(self) -> None:
        """Go, in the middle of whatever comes."""
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()

    def pause(self) -> None:
        """Take nothing more from the network."""
        assert self._reader is not None
        self._reader._transport.pause_reading()  # type: ignore[attr-defined]

    def resume(self) -> None:
        """Take what comes again."""
        assert self._reader is not None
        self._reader._transport.resume_reading()  # type: ignore[attr-defined]
