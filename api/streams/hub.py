"""The hub: one tail of the tape in this process; every event is worded once and its bytes are shared by all clients.

A client has a bounded queue. One that does not keep up is dropped, not waited for; it comes back with its
`Last-Event-ID` and misses nothing, because what it missed is read from the tape.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable

import msgspec

from api.streams.wording import Filter, Worded, word
from events import subjects
from events.errors import LimitReached
from events.tape import Message, Tail, Tape

CHUNK_BYTES = 65_536  # of the past joined into one write
HEARTBEAT = b": heartbeat\n\n"
TOO_SLOW = b'event: dropped\ndata: {"reason":"too slow; reconnect with Last-Event-ID"}\n\n'


class HubSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named limits of the streams."""

    clients_max: int = 1_000
    queue_max: int = 1_000
    heartbeat_seconds: float = 5.0
    chunk_events_max: int = 256  # events joined into one write
    linger_seconds: float = 0.01  # between two writes to one client: a lone event leaves at once, a burst as one write


Overflow = Callable[[], None]  # called when a client's queue ran over


class Client:
    """One client's queue of worded events."""

    def __init__(self, wanted: Filter, queue_max: int, on_overflow: Overflow) -> None:
        self.wanted = wanted
        self._on_overflow = on_overflow
        self.queue: deque[Worded] = deque()
        self.queue_max = queue_max
        self.overflowed = False
        self.live = False  # behind what it missed; before, an overflow only means to read on from the tape
        self.woken = asyncio.Event()

    def offer(self, event: Worded) -> None:
        """Put an event in the queue, or note that it did not fit."""
        if self.overflowed or not self.wanted.wants(event):
            return
        if len(self.queue) >= self.queue_max:
            self.overflowed = True
            if self.live:
                self._on_overflow()
        else:
            self.queue.append(event)
        self.woken.set()


class Hub:
    """All clients of this process over one tail."""

    def __init__(self, tape: Tape, settings: HubSettings) -> None:
        self._tape = tape
        self._settings = settings
        self._clients: set[Client] = set()
        self.tail: Tail | None = None
        self._released = False
        self.sequence = 0  # last one offered to all clients

    async def start(self) -> None:
        """Tail the tape from its end on."""
        info = await self._tape.info()
        self.sequence = info.last
        self.tail = await self._tape.tail(info.last + 1, self._receive, subjects=(subjects.TAPE,))

    async def close(self) -> None:
        """End the tail; clients end with their connections."""
        if self.tail is not None:
            await self.tail.close()

    def release(self) -> None:
        """End every stream, so that the server can stop; clients come back elsewhere with their last id."""
        self._released = True
        for client in self._clients:
            client.woken.set()

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    @property
    def waiting(self) -> int:
        """Events that wait for the slowest client."""
        return max((len(client.queue) for client in self._clients), default=0)

    async def _receive(self, message: Message) -> None:
        if self._clients:
            event = word(message)
            for client in self._clients:
                client.offer(event)
        self.sequence = message.sequence

    def check_room(self) -> None:
        """Raises LimitReached when no more clients fit."""
        if len(self._clients) >= self._settings.clients_max:
            raise LimitReached(f"{len(self._clients)} clients listen; stream_clients_max is reached.")

    async def events(
        self, wanted: Filter, after: int | None, on_overflow: Overflow = lambda: None
    ) -> AsyncGenerator[bytes, None]:
        """Server-sent events behind `after` (None: from now on), until `release`, with heartbeats.

        `on_overflow` is called when the client did not keep up: what is waiting for it to take bytes may be ended.
        """
        client = Client(wanted, self._settings.queue_max, on_overflow)
        self._clients.add(client)
        place = self.sequence if after is None else after
        try:
            while not client.live and not self._released:
                client.queue.clear()
                client.overflowed = False
                joined = self.sequence
                if place < joined:
                    async for chunk in self._missed(wanted, place, joined):
                        yield chunk
                    place = joined
                client.live = not client.overflowed
            async for chunk in self._live(client, place):
                yield chunk
        finally:
            self._clients.discard(client)

    async def _missed(self, wanted: Filter, after: int, through: int) -> AsyncGenerator[bytes, None]:
        """What lies between, joined into larger writes; heartbeats while nothing of it is wanted."""
        loop = asyncio.get_running_loop()
        chunk: list[bytes] = []
        size, given = 0, loop.time()
        async for message in self._tape.read(after + 1, subjects=wanted.subjects(), end=through):
            event = word(message)
            if wanted.wants(event):
                chunk.append(event.sse)
                size += len(event.sse)
            if size >= CHUNK_BYTES or loop.time() - given >= self._settings.heartbeat_seconds:
                yield b"".join(chunk) or HEARTBEAT
                chunk, size, given = [], 0, loop.time()
        if chunk:
            yield b"".join(chunk)

    async def _live(self, client: Client, sent: int) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        yield HEARTBEAT
        given = loop.time()
        while not self._released:
            if not client.queue and not client.overflowed:
                client.woken.clear()
                try:  # not `wait_for`: it swallows a cancel that meets an event, and the stream outlives its client
                    async with asyncio.timeout(self._settings.heartbeat_seconds):
                        await client.woken.wait()
                except TimeoutError:
                    yield HEARTBEAT
                    continue
            if (rest := given + self._settings.linger_seconds - loop.time()) > 0 and not client.overflowed:
                await asyncio.sleep(rest)
            chunk: list[bytes] = []
            while client.queue and len(chunk) < self._settings.chunk_events_max:
                event = client.queue.popleft()
                if event.sequence > sent:
                    chunk.append(event.sse)
                    sent = event.sequence
            if chunk:
                yield b"".join(chunk)
                given = loop.time()
            elif client.overflowed:
                yield TOO_SLOW
                return
