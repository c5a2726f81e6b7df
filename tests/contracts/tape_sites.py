"""Where the one suite of tapes runs: in memory, and on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from events.clock import ManualClock, SystemClock
from events.jetstream.link import Link
from events.jetstream.server import NatsServer
from events.jetstream.streams import StreamSettings
from events.jetstream.tape import JetStreamTape
from events.memory_tape import MemoryTape
from events.tape import Append, Limits, Message, Tape
from tests.fixtures.nats import OWNER, fresh_streams

DUPLICATE_SECONDS = 0.4
LIMITS = Limits(body_bytes_max=65_536, headers_bytes_max=2_048, batch_messages_max=50, page_messages_max=20)
KINDS = ("memory", "jetstream")


class Site:
    """A fresh tape, further connections to it, and the way past the time in which message ids are known."""

    def __init__(self, tape: Tape, clock: ManualClock | None, link: Link | None) -> None:
        self.tape = tape
        self._clock = clock
        self._link = link

    async def another(self) -> Tape:
        """A second connection to the same tape."""
        if isinstance(self.tape, MemoryTape):
            return self.tape.share()
        assert self._link is not None
        return await JetStreamTape.open(self._link, limits=LIMITS)

    async def forget_ids(self) -> None:
        """Let more than twice the window pass in which the log knows message ids."""
        if self._clock is not None:
            self._clock.advance(2.2 * DUPLICATE_SECONDS)
        else:
            await SystemClock().sleep(2.2 * DUPLICATE_SECONDS)


@asynccontextmanager
async def site_of(kind: str, server: NatsServer) -> AsyncIterator[Site]:
    """A site of one kind with an empty tape."""
    if kind == "memory":
        clock = ManualClock()
        tape = MemoryTape(clock=clock, limits=LIMITS, duplicate_seconds=DUPLICATE_SECONDS)
        yield Site(tape, clock, None)
        await tape.close()
        return
    if server.pid is None:
        await server.restart()
    link = await Link.open(server.endpoint(OWNER))
    await fresh_streams(link, StreamSettings(duplicate_seconds=DUPLICATE_SECONDS))
    real = await JetStreamTape.open(link, limits=LIMITS)
    yield Site(real, None, link)
    await real.close()
    await link.close()


def fact(number: int, *, session: str = "a", expected: int | None = None, body: bytes = b"{}") -> Append:
    """A small message of a session, fenced over the session if `expected` is given."""
    fence = f"tape.session.{session}.>" if expected is not None else None
    return Append(
        f"tape.session.{session}.fact", body, f"{session}-{number}", {"X-Number": str(number)}, expected, fence
    )


def frame(number: int, source: str = "s", size: int = 64) -> Append:
    """A message of a source."""
    return Append(f"tape.market.{source}", bytes([number % 256]) * size, f"{source}:{number}")


async def everything(tape: Tape) -> list[Message]:
    """All messages."""
    return [message async for message in tape.read()]


def fenced(message: Append, expected: int) -> Append:
    """The message with a fence on its own subject."""
    return msgspec.structs.replace(message, expected=expected)
