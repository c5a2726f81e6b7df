"""Sources that sessions hold: each runs once, goes on elsewhere, and comes back when it failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from engine.feeds.errors import BadMapping
from engine.feeds.feed import Feed, NumberOf
from engine.recordings import shelf
from engine.recordings.shelf import RecordingState
from engine.sources import holding
from engine.sources.run import SourceRun
from engine.sources.source import Source
from events.errors import TapeUnavailable
from events.memory_keys import MemoryKeys
from events.rows import Rows
from events.tape import Keys
from tests.engine.sessions.memory_house import KEEPING, ArrayFeed, MemoryHouse, until, walk

SIMULATED = Source(id="sim", kind="simulated", symbols=("BTC_USDT",), acceleration=100.0)
TRADES = '"symbol","side","price","amount","timestamp"\n' + "".join(
    f'"BTC-USD","buy",{100 + at},1.5,"2023-09-05T16:00:{at:02d}.000000Z"\n' for at in range(50)
)


class House(MemoryHouse):
    """A house and the processes in it that may run its sources."""

    async def begin(self) -> House:
        """Read the epoch."""
        await self.start()
        return self

    def process(self, keys: Keys | None = None) -> holding.Sources:
        """What one process knows of the sources."""
        return holding.Sources(self.tape.share(), keys or self.keys, self.clock, self.known, None, KEEPING)

    async def rows(self) -> int:
        """Rows of all recordings."""
        return len([message async for message in self.tape.read(1, subjects=("tape.market.>",))])

    async def more(self) -> None:
        """Wait for further rows."""
        before = await self.rows()

        async def came() -> bool:
            return await self.rows() > before

        await until(came)

    async def recordings(self) -> list[RecordingState]:
        """States of all recordings."""
        return [one.state for one in (await shelf.load(self.tape)).recordings.values()]


class Troubled:
    """Keys that do not answer while `down` is set, and answer late."""

    def __init__(self, keys: MemoryKeys) -> None:
        self._keys = keys
        self.down = False
        self.broken = 0  # how many of the next questions meet an error that nobody named

    async def _reach(self) -> None:
        await asyncio.sleep(0.005)
        if self.broken:
            self.broken -= 1
            raise KeyError("a bug")
        if self.down:
            raise TapeUnavailable("The line is down.")

    async def put(self, key: str, value: bytes) -> int:
        """See `Keys.put`."""
        await self._reach()
        return await self._keys.put(key, value)

    async def get(self, key: str) -> tuple[bytes, int] | None:
        """See `Keys.get`."""
        await self._reach()
        return await self._keys.get(key)

    async def swap(self, key: str, value: bytes, revision: int) -> int | None:
        """See `Keys.swap`."""
        await self._reach()
        return await self._keys.swap(key, value, revision)

    async def delete(self, key: str) -> None:
        """See `Keys.delete`."""
        await self._reach()
        await self._keys.delete(key)


@pytest.fixture
async def house(tmp_path: Path) -> House:
    """An empty house with one simulated source."""
    return await House(tmp_path, {"sim": SIMULATED}).begin()


@asynccontextmanager
async def all_held(sources: holding.Sources, *sessions: str, source: str = "sim") -> AsyncIterator[None]:
    """Several sessions that enter together."""
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(sources.held(source, session)) for session in sessions))
        yield


async def test_a_source_of_a_killed_engine_runs_again(house: House) -> None:
    """What a killed engine leaves behind keeps a source from running only until its lifetime ends."""
    await house.keys.put("source.sim", b"a killed engine")
    async with all_held(house.process(), "s1"):
        await asyncio.sleep(0.2)
        assert await house.rows() == 0, "somebody might still run it"
        await house.more()


async def test_an_engine_that_was_killed_has_its_sources_at_once(house: House) -> None:
    """Started again under its name, it does not wait until the lease of its earlier life has ended."""
    await house.keys.put("source.sim", b"engine-0")  # as a killed process leaves it
    settings = msgspec.structs.replace(KEEPING, owner="engine-0", look_seconds=60.0)
    async with holding.Sources(house.tape, house.keys, house.clock, house.known, None, settings).held("sim", "s"):
        await house.more()


async def test_sessions_that_start_together_share_one_run(house: House) -> None:
    """Two sessions of one process that start together, and one of another, hear one run and one recording."""
    keys = Troubled(house.keys)
    async with all_held(house.process(keys), "s1", "s2"), all_held(house.process(keys), "s3"):
        await house.more()
        await asyncio.sleep(3 * KEEPING.look_seconds)
        assert await house.recordings() == [RecordingState.OPEN]
    assert await house.recordings() == [RecordingState.COMPLETE]


async def test_a_source_goes_on_where_it_is_still_held(house: House) -> None:
    """When the process that runs a source no longer needs it, one whose session does runs it on."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(all_held(house.process(), "s1"))
        await house.more()
        async with all_held(house.process(), "s2"):
            await stack.aclose()
            assert RecordingState.OPEN not in await house.recordings()
            await house.more()


async def test_an_unreachable_lease_does_not_start_a_second_run(house: House) -> None:
    """Renewals that fail for a moment are made up for: no other process starts the source meanwhile."""
    keys = Troubled(house.keys)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(all_held(house.process(keys), "s1"))
        await house.more()
        await stack.enter_async_context(all_held(house.process(), "s2"))
        keys.down = True
        await asyncio.sleep(2.5 * KEEPING.lease.renew_seconds)
        keys.down = False
        await asyncio.sleep(1.2)  # longer than a lease lives that nobody renews
        await house.more()
        assert await house.recordings() == [RecordingState.OPEN]


async def test_an_error_that_nobody_named_leaves_no_session_waiting(house: House) -> None:
    """Met while the lease is taken, it is tried again; met while it is renewed, the lease is lost, and taken again."""
    keys = Troubled(house.keys)
    keys.broken = 1
    async with all_held(house.process(keys), "s1"):
        await house.more()
        keys.broken = 1
        await asyncio.sleep(2.5 * KEEPING.lease.renew_seconds)
        assert keys.broken == 0
        await house.more()


async def test_a_lease_that_was_lost_ends_the_run(house: House) -> None:
    """A process that could not renew for a lease's lifetime stops its run when another has taken over."""
    keys = Troubled(house.keys)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(all_held(house.process(keys), "s1"))
        await house.more()
        await stack.enter_async_context(all_held(house.process(), "s2"))
        keys.down = True

        async def taken_over() -> bool:
            return len(await house.recordings()) == 2

        await until(taken_over)
        keys.down = False
        await asyncio.sleep(3 * KEEPING.lease.renew_seconds)
        await house.more()
        assert (await house.recordings()).count(RecordingState.OPEN) == 1


async def test_a_source_that_failed_runs_again(tmp_path: Path) -> None:
    """A source whose file was not there plays it once it is; the session waits that long."""
    path = tmp_path / "trades.csv"
    house = await House(tmp_path, {"files": Source(id="files", kind="files", files=(str(path),))}).begin()
    async with all_held(house.process(), "s1", source="files"):
        await asyncio.sleep(0.1)
        path.write_text(TRADES)
        await house.more()


async def test_a_source_that_ended_is_not_played_twice(tmp_path: Path) -> None:
    """A file that was played to its end is not played again to those who heard it, in whatever process they are."""
    path = tmp_path / "trades.csv"
    path.write_text(TRADES)
    known = {"files": Source(id="files", kind="files", files=(str(path),), acceleration=0.0)}
    house = await House(tmp_path, known).begin()
    async with all_held(house.process(), "s2", source="files"):
        async with all_held(house.process(), "s1", source="files"):
            await house.more()
            await asyncio.sleep(3 * KEEPING.lease.renew_seconds)
        await asyncio.sleep(3 * KEEPING.look_seconds)
        assert await house.recordings() == [RecordingState.COMPLETE]
    async with all_held(house.process(), "s3", source="files"):
        await house.more()


async def test_a_source_that_fails_behind_its_opening_leaves_nothing(tmp_path: Path) -> None:
    """A run whose feed fails before its first row ends its recording, and nothing tells of it any more."""
    house = await House(tmp_path).begin()

    class Failing(ArrayFeed):
        def chunks(self, number: NumberOf) -> list[Rows]:
            raise BadMapping("no rows can be read")

    class Run(SourceRun):
        async def _feed(self) -> Feed:
            return Failing(walk(10))  # type: ignore[return-value]

    before = asyncio.all_tasks()
    with pytest.raises(BadMapping):
        await Run(house.tape, house.clock, SIMULATED, None).run()
    assert await house.recordings() == [RecordingState.ABANDONED]
    assert not [one for one in asyncio.all_tasks() - before if "_tell" in repr(one)]
