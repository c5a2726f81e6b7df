"""What every store of blobs promises: in memory and in an object store of a real nats-server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np
import pytest

from events.clock import ManualClock
from events.errors import InvalidInput
from events.jetstream import streams
from events.jetstream.blobs import CHUNK_BYTES, JetStreamBlobs
from events.jetstream.link import Link
from events.jetstream.server import NatsServer
from events.memory_keys import MemoryBlobs
from events.tape import Blobs
from tests.fixtures.nats import OWNER, admin_link, fresh_streams, nats_server  # noqa: F401


@pytest.fixture(params=["memory", "jetstream"])
async def blobs(request: pytest.FixtureRequest, nats_server: NatsServer) -> AsyncIterator[Blobs]:  # noqa: F811
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryBlobs()
        return
    link = await Link.open(nats_server.endpoint(OWNER))
    await fresh_streams(link)
    yield await JetStreamBlobs.open(link, streams.BLOBS)
    await link.close()


def data(size: int, seed: int = 1) -> bytes:
    """Bytes that are all different chunks."""
    return np.random.Generator(np.random.Philox(key=seed)).bytes(size)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 17])
async def test_bytes_come_back(blobs: Blobs, size: int) -> None:
    """What was put is got, however large."""
    await blobs.put("snapshots/a/1", data(size))
    assert await blobs.get("snapshots/a/1") == data(size)


async def test_put_replaces(blobs: Blobs) -> None:
    """The newest put under a name is what is there."""
    await blobs.put("a", data(700_000))
    await blobs.put("a", b"new")
    assert await blobs.get("a") == b"new"
    assert await blobs.names() == ["a"]


async def test_names_are_sorted_by_prefix(blobs: Blobs) -> None:
    """Names are listed by prefix; a deleted one is gone."""
    for name in ("snapshots/b/2", "snapshots/a/10", "snapshots/a/09", "models/x"):
        await blobs.put(name, name.encode())
    assert await blobs.names("snapshots/a/") == ["snapshots/a/09", "snapshots/a/10"]
    await blobs.delete("snapshots/a/09")
    await blobs.delete("snapshots/never")
    assert await blobs.names() == ["models/x", "snapshots/a/10", "snapshots/b/2"]
    assert await blobs.get("snapshots/a/09") is None
    assert await blobs.get("snapshots/never") is None


@pytest.mark.parametrize("name", ["", "a b", "ä", "*", "a>", "x" * 129, "a\n"])
async def test_bad_names_are_refused(blobs: Blobs, name: str) -> None:
    """A name that the store could not keep is refused."""
    for call in (blobs.put(name, b""), blobs.get(name), blobs.delete(name)):
        with pytest.raises(InvalidInput):
            await call


async def test_damaged_bytes_count_as_none() -> None:
    """Bytes that do not fit their digest are not handed out."""
    blobs = MemoryBlobs()
    await blobs.put("a", b"good")
    blobs.damage("a", b"bad")
    assert await blobs.get("a") is None


async def test_missing_chunk_counts_as_none(admin_link: Link) -> None:  # noqa: F811
    """A blob whose chunks are gone, or one of them, is not handed out."""
    blobs = await JetStreamBlobs.open(admin_link, streams.BLOBS)
    await blobs.put("a", data(3 * CHUNK_BYTES))
    stream = f"OBJ_{streams.BLOBS}"
    await streams.api(admin_link, f"STREAM.MSG.DELETE.{stream}", {"seq": 2})
    assert await blobs.get("a") is None
    await blobs.put("b", data(CHUNK_BYTES))
    await streams.api(admin_link, f"STREAM.PURGE.{stream}", {"filter": f"$O.{streams.BLOBS}.C.>"})
    assert await blobs.get("b") is None


async def test_chunks_without_an_entry_are_tidied(admin_link: Link) -> None:  # noqa: F811
    """What a killed writer left behind is forgotten after an hour, and nothing else."""
    clock = ManualClock()
    blobs = await JetStreamBlobs.open(admin_link, streams.BLOBS, clock=clock)
    await blobs.put("kept", data(2 * CHUNK_BYTES))
    await blobs.put("lost", data(CHUNK_BYTES))
    entry = blobs._meta("lost")
    await streams.api(admin_link, f"STREAM.PURGE.OBJ_{streams.BLOBS}", {"filter": entry})
    assert await blobs.tidy() == 0
    clock.advance(4_000)
    assert await blobs.tidy() == 1
    assert await blobs.tidy() == 0
    assert await blobs.get("kept") == data(2 * CHUNK_BYTES)
