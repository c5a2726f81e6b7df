"""What every store of keys promises: in memory and in a bucket of a real nats-server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import pytest

from events.clock import ManualClock, SystemClock
from events.errors import InvalidInput
from events.jetstream.keys import JetStreamKeys
from events.jetstream.link import Link
from events.jetstream.server import NatsServer
from events.jetstream.streams import LIVENESS, StreamSettings
from events.memory_keys import MemoryKeys
from events.tape import Keys
from tests.fixtures.nats import OWNER, fresh_streams, nats_server  # noqa: F401

LIFETIME_SECONDS = 0.4


class Shelf(NamedTuple):
    """Keys, and the way to let their lifetime pass."""

    keys: Keys
    expire: Callable[[], Awaitable[None]]


@pytest.fixture(params=["memory", "jetstream"])
async def shelf(request: pytest.FixtureRequest, nats_server: NatsServer) -> AsyncIterator[Shelf]:  # noqa: F811
    """Empty keys of each kind."""
    if request.param == "memory":
        clock = ManualClock()

        async def advance() -> None:
            clock.advance(2 * LIFETIME_SECONDS)

        yield Shelf(MemoryKeys(lifetime_seconds=LIFETIME_SECONDS, clock=clock), advance)
        return

    async def wait() -> None:
        await SystemClock().sleep(2 * LIFETIME_SECONDS + 0.2)

    link = await Link.open(nats_server.endpoint(OWNER))
    await fresh_streams(link, StreamSettings(liveness_seconds=LIFETIME_SECONDS))
    yield Shelf(await JetStreamKeys.open(link, LIVENESS), wait)
    await link.close()


async def test_put_get_delete(shelf: Shelf) -> None:
    """A value is there with its revision until it is deleted."""
    keys = shelf.keys
    assert await keys.get("engine.a") is None
    first = await keys.put("engine.a", b"1")
    second = await keys.put("engine.a", b"2")
    assert second > first
    assert await keys.get("engine.a") == (b"2", second)
    await keys.put("engine.b", b"3")
    await keys.put("engines.c", b"4")
    assert await keys.names("engine") == ["engine.a", "engine.b"]
    await keys.delete("engine.a")
    assert await keys.names("engine") == ["engine.b"]
    assert await keys.names("nobody") == []
    await keys.delete("engine.never")
    assert await keys.get("engine.a") is None


async def test_swap_only_on_the_revision(shelf: Shelf) -> None:
    """Compare-and-set succeeds only for whoever knows the newest revision; 0 means that there is none."""
    keys = shelf.keys
    first = await keys.swap("k", b"1", 0)
    assert first is not None
    assert await keys.swap("k", b"x", 0) is None
    second = await keys.swap("k", b"2", first)
    assert second is not None
    assert await keys.swap("k", b"x", first) is None
    assert await keys.get("k") == (b"2", second)


async def test_swap_after_delete_and_after_the_lifetime(shelf: Shelf) -> None:
    """A deleted or ended value counts as none."""
    keys = shelf.keys
    await keys.put("k", b"1")
    await keys.delete("k")
    assert await keys.swap("k", b"2", 0) is not None
    await shelf.expire()
    assert await keys.get("k") is None
    assert await keys.swap("k", b"3", 0) is not None


async def test_counter_under_contention(shelf: Shelf) -> None:
    """Ten writers that count with compare-and-set lose no count."""

    async def count() -> None:
        while True:
            held = await shelf.keys.get("n")
            value, revision = (int(held[0]), held[1]) if held else (0, 0)
            if await shelf.keys.swap("n", str(value + 1).encode(), revision) is not None:
                return

    await asyncio.gather(*(count() for _ in range(10)))
    held = await shelf.keys.get("n")
    assert held is not None
    assert held[0] == b"10"


@pytest.mark.parametrize("key", ["", ".", "a..b", "a b", "a.", "*", "a.>", "ä", "x" * 129, "a\r\nb"])
async def test_bad_keys_are_refused(shelf: Shelf, key: str) -> None:
    """A key that would be a wildcard or break the protocol is refused."""
    for call in (shelf.keys.get(key), shelf.keys.put(key, b""), shelf.keys.swap(key, b"", 0), shelf.keys.delete(key)):
        with pytest.raises(InvalidInput):
            await call
