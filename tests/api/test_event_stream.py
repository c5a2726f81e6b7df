"""The stream of the tape over the real server: no gap, no repeat, whoever comes, goes or sleeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import numpy as np
import pytest
import pytest_asyncio

from api.settings import ApiSettings
from api.streams.hub import Hub, HubSettings
from api.streams.wording import Filter
from engine import catalogue
from engine.catalogue import InstrumentForm
from events import codec, subjects
from events.facts import CommandAccepted
from events.tape import Append
from tests.api.served import EventStream, served
from tests.api.worlds import World, world
from tests.fixtures.waiting import until
from tests.projections.streams import Script, ticks

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUEUE = 64
CLIENTS, EVENTS = 24, 1_500


class Served:
    """A world, its port, and a way to append."""

    def __init__(self, made: World, port: int) -> None:
        self.made = made
        self.port = port
        self.streams: list[EventStream] = []
        self._count = 0

    def stream(self, query: str = "") -> EventStream:
        """A client, who leaves with the test at the latest."""
        self.streams.append(EventStream(self.port, query))
        return self.streams[-1]

    async def everybody_left(self) -> None:
        """Close all clients and wait until the server has noticed."""
        for stream in self.streams:
            await stream.leave()
        self.streams.clear()
        await until(lambda: self.made.house.hub.clients == 0)

    async def append(self, count: int, size: int = 0) -> int:
        """Append so many facts; the last sequence."""
        last = 0
        for _ in range(count):
            self._count += 1
            fact = CommandAccepted(key="k" * size + str(self._count), cause=self._count)
            last = await self.made.tape.append(codec.to_append(fact, subjects.DESK, f"f{self._count}"))
        return last


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """A house behind granian, with short queues and quick heartbeats."""
    api = ApiSettings(stream_queue_max=QUEUE, heartbeat_seconds=0.2, stream_clients_max=60)
    async with world(tmp_path_factory.mktemp("stream"), api=api) as made, served(made) as port:
        found = Served(made, port)
        await found.append(20)
        yield found


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def leaving(house: Served) -> AsyncIterator[None]:
    """No test leaves a connection behind, whatever became of it."""
    yield
    await house.everybody_left()


async def test_resumed_clients_miss_and_repeat_nothing_under_load(house: Served) -> None:
    """Clients that break off at random moments and come back with their last id see every event once, in order."""
    first = await house.made.last()
    end = first + EVENTS

    async def write() -> None:
        for _ in range(EVENTS // 10):
            await house.append(10)
            await asyncio.sleep(0.002)

    async def client(number: int) -> EventStream:
        chance = np.random.Generator(np.random.Philox(key=number))
        stream = house.stream()
        seen = first
        while seen < end:
            await stream.join(seen)
            target = min(end, seen + int(chance.integers(1, 200)))
            await stream.read(target)
            await stream.leave()
            seen = stream.ids[-1] if stream.ids else seen
        return stream

    *streams, _ = await asyncio.gather(*(client(number) for number in range(CLIENTS)), write())
    for stream in streams:
        assert stream is not None
        assert stream.ids == list(range(first + 1, end + 1))


async def test_a_client_without_an_id_begins_now(house: Served) -> None:
    """From now on means behind the tape's end at that moment."""
    stream = house.stream()
    await stream.join()
    await stream.beat(1)
    last = await house.append(5)
    await stream.read(last)
    assert stream.ids == list(range(last - 4, last + 1))
    assert b"text/event-stream" in stream.head
    assert b"tape-epoch: e1" in stream.head.lower()
    await stream.leave()


async def test_after_reads_the_past_and_goes_on(house: Served) -> None:
    """`after` begins behind a sequence of the past and goes on with what comes."""
    stream = house.stream("?after=5")
    await stream.join()
    await stream.read(await house.append(3))
    assert stream.ids == list(range(6, await house.made.last() + 1))
    await stream.leave()


async def test_filters_pass_what_was_asked_for(house: Served) -> None:
    """By session, by kind and by instrument, of the past and of what comes, and nothing else."""
    script = Script()
    script.tape = house.made.tape
    script._messages = 50_000
    forms = [InstrumentForm(symbol=symbol, venue="TEST", quote="USD") for symbol in ("ONE", "TWO")]
    await catalogue.register(script.tape, forms)
    started = await script.start("filtered")
    of_session = house.stream("?session=filtered&after=0")
    of_market = house.stream("?kind=market&after=0")
    of_instrument = house.stream("?instrument=2&after=0")
    for stream in (of_session, of_market, of_instrument):
        await stream.join()
    rows = ticks(6)
    rows["instrument"] = 1
    other = await script.market("sim", rows)
    rows["instrument"] = 2
    ours = await script.market("sim", rows)
    stopped = await script.of_session("filtered", CommandAccepted(key="x", cause=1, session="filtered"))
    await of_session.read(stopped)
    await of_market.read(ours)
    await of_instrument.read(ours)
    assert of_session.ids == [started, stopped]
    assert of_market.ids == [other, ours]
    assert of_instrument.ids == [ours]


async def test_a_burst_leaves_in_few_writes(house: Served) -> None:
    """One event leaves at once; what comes while a client rests from a write leaves with the next one."""
    hub = Hub(house.made.tape, HubSettings(linger_seconds=0.3))
    await hub.start()
    written: list[bytes] = []

    async def listen() -> None:
        async with aclosing(hub.events(Filter(), None)) as events:
            async for chunk in events:
                written.append(chunk)

    listening = asyncio.create_task(listen())
    await until(lambda: len(written) == 1)
    for _ in range(100):
        await house.append(1)
        await asyncio.sleep(0)
    await until(lambda: b"".join(written).count(b"\nevent: ") == 100)
    assert len(written) <= 5  # a heartbeat, then a write in 0.3 s
    listening.cancel()
    await hub.close()


async def test_heartbeats_come_while_nothing_happens(house: Served) -> None:
    """A quiet stream shows signs of life."""
    stream = house.stream()
    await stream.join()
    await stream.beat(4, seconds=3)
    await stream.leave()


async def test_a_slow_client_is_let_go_and_harms_nobody(house: Served) -> None:
    """One that takes nothing is dropped; others have every event meanwhile; back with its id it misses nothing."""
    slow, quick = house.stream(), house.stream()
    for stream in (slow, quick):
        await stream.join()
        await stream.beat(1)
    slow.pause()
    first = await house.made.last()
    for _ in range(60):
        last = await house.append(20, size=8_000)
        await quick.read(last)
    assert quick.ids == list(range(first + 1, last + 1))
    slow.resume()
    await slow.read(last)
    assert slow.dropped
    assert slow.ids == list(range(first + 1, slow.ids[-1] + 1))
    assert slow.ids[-1] < last
    await slow.leave()
    await slow.join(slow.ids[-1])
    await slow.read(last)
    assert slow.ids == list(range(first + 1, last + 1))


async def test_a_client_that_takes_nothing_for_ever_is_cut_off(house: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fell behind and does not come back to its senses holds no place and no memory."""
    monkeypatch.setattr("api.tape.STALLED_SECONDS_MAX", 0.3)
    dead = house.stream()
    await dead.join()
    await dead.beat(1)
    assert house.made.house.hub.clients == 1
    dead.pause()
    for _ in range(60):
        await house.append(20, size=8_000)
    await until(lambda: house.made.house.hub.clients == 0, 5)


async def test_clients_that_go_are_forgotten_and_no_more_than_the_maximum_come(house: Served) -> None:
    """The room is bounded, the answer says so, and those who left make room."""
    streams = [house.stream() for _ in range(60)]
    for stream in streams:
        await stream.join()
    await until(lambda: house.made.house.hub.clients == 60)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.port}") as client:
        refused = await client.get("/api/tape/stream")
        assert (refused.status_code, refused.json()["error_code"]) == (409, "LIMIT_REACHED")
        assert (await client.get("/api/tape/info")).json()["stream_clients"] == 60
    for stream in streams:
        await stream.leave()
    await until(lambda: house.made.house.hub.clients == 0)


async def test_what_cannot_be_read_is_an_event_of_its_own(house: Served) -> None:
    """A message of a later release is passed on as undecodable; the stream, the page and the answers go on."""
    bad = await house.made.tape.append(Append("tape.session.later.fact", b'{"type":"Not Ours"}', "later:1"))
    stream = house.stream(f"?after={bad - 1}")
    await stream.join()
    last = await house.append(1)
    await stream.read(last)
    assert stream.ids == [bad, last]
    await stream.leave()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.port}") as client:
        page = (await client.get(f"/api/tape/events?after={bad - 1}")).json()
        assert [one["type"] for one in page["events"]] == ["undecodable", "CommandAccepted"]


async def test_pages_and_the_stream_say_the_same(house: Served) -> None:
    """Page by page the events are those of the stream."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.port}") as client:
        found, after = [], 0
        while after is not None:
            page = (await client.get(f"/api/tape/events?limit=700&after={after}")).json()
            found += [one["sequence"] for one in page["events"]]
            after = page["next_cursor"]
        part = (await client.get("/api/tape/events?after=5&until=9")).json()
        past = (await client.get("/api/tape/events?as_of=7")).json()
    assert found == list(range(1, await house.made.last() + 1))
    assert [one["sequence"] for one in part["events"]] == [6, 7, 8, 9]
    assert [one["sequence"] for one in past["events"]] == [1, 2, 3, 4, 5, 6, 7]
