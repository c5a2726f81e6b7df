"""What every tape promises of reading and tailing: the same cases in memory and on a real nats-server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from events.errors import InvalidInput, TapeUnavailable
from events.jetstream.server import NatsServer
from events.tape import Message
from tests.contracts.tape_sites import KINDS, LIMITS, Site, everything, fact, frame, site_of
from tests.fixtures.nats import nats_server  # noqa: F401


@pytest.fixture(params=KINDS)
async def site(request: pytest.FixtureRequest, nats_server: NatsServer) -> AsyncIterator[Site]:  # noqa: F811
    """An empty tape of each kind."""
    async with site_of(request.param, nats_server) as made:
        yield made


# --- reading ----------------------------------------------------------------------------------------------------------


async def filled(site: Site) -> None:
    """Messages 1..30: every third is of a source, the others of sessions a and b."""
    for number in range(10):
        await site.tape.append(fact(number))
        await site.tape.append(fact(number, session="b"))
        await site.tape.append(frame(number))


def places(messages: list[Message]) -> list[int]:
    """Their sequences."""
    return [message.sequence for message in messages]


async def test_read_by_range_and_filter(site: Site) -> None:
    """A reading gives exactly the messages of its range and filters, in order."""
    await filled(site)
    tape = site.tape
    assert places([message async for message in tape.read()]) == list(range(1, 31))
    assert places([message async for message in tape.read(28)]) == [28, 29, 30]
    assert places([message async for message in tape.read(5, end=7)]) == [5, 6, 7]
    assert places([message async for message in tape.read(end=9, subjects=("tape.market.>",))]) == [3, 6, 9]
    both = ("tape.session.a.fact", "tape.session.*.fact", "tape.market.s")
    assert places([message async for message in tape.read(4, end=8, subjects=both)]) == [4, 5, 6, 7, 8]
    assert places([message async for message in tape.read(31)]) == []
    assert places([message async for message in tape.read(7, end=3)]) == []
    assert places([message async for message in tape.read(subjects=("tape.nothing.>",))]) == []
    assert places([message async for message in tape.read(0, end=1_000)]) == list(range(1, 31))


async def test_read_more_than_is_fetched_ahead(site: Site) -> None:
    """A long reading is whole."""
    await site.tape.append_bulk([frame(number, size=200) for number in range(300)], window=16)
    assert places(await everything(site.tape)) == list(range(1, 301))


async def test_reading_may_be_left_early(site: Site) -> None:
    """Whoever stops in the middle of a reading harms nobody."""
    await filled(site)
    for _ in range(20):
        async for message in site.tape.read(3):
            assert message.sequence == 3
            break
    assert len(await everything(site.tape)) == 30


async def test_pages_cover_everything_once(site: Site) -> None:
    """Following `next` from page to page gives every message of the filter once."""
    await filled(site)
    found: list[int] = []
    start: int | None = 1
    while start is not None:
        page = await site.tape.page(start, subjects=("tape.session.>",), limit=7)
        assert len(page.messages) <= 7
        assert page.last == 30
        found += places(page.messages)
        start = page.next
    assert found == [number for number in range(1, 31) if number % 3]
    assert len((await site.tape.page(1, limit=1_000)).messages) == LIMITS.page_messages_max
    assert (await site.tape.page(31)).messages == []


async def test_last_and_get(site: Site) -> None:
    """The last message of a filter and the message of a sequence, or none."""
    assert await site.tape.last("tape.>") is None
    await filled(site)
    for pattern, expected in (("tape.>", 30), ("tape.session.a.>", 28), ("tape.session.b.fact", 29), ("tape.x.*", 0)):
        message = await site.tape.last(pattern)
        assert (message.sequence if message else 0) == expected
    assert await site.tape.get(31) is None
    assert await site.tape.get(0) is None
    with pytest.raises(InvalidInput):
        await site.tape.last("tape.>.x")


async def test_info(site: Site) -> None:
    """The log's figures are those of its messages."""
    empty = await site.tape.info()
    assert (empty.first, empty.last, empty.messages) == (0, 0, 0)
    assert empty.epoch
    await filled(site)
    info = await site.tape.info()
    assert (info.epoch, info.first, info.last, info.messages) == (empty.epoch, 1, 30, 30)
    assert info.size_bytes > 0
    assert info.created_ns > 0


# --- tailing ----------------------------------------------------------------------------------------------------------


class Ear:
    """Collects what a tail delivers and waits for a sequence."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self._more = asyncio.Event()

    async def __call__(self, message: Message) -> None:
        self.heard.append(message.sequence)
        self._more.set()

    async def until(self, sequence: int) -> None:
        """Wait for a sequence, at most 10 seconds."""
        async with asyncio.timeout(10):
            while not self.heard or self.heard[-1] < sequence:
                self._more.clear()
                await self._more.wait()


async def test_tail_goes_from_the_past_into_the_present(site: Site) -> None:
    """A tail delivers what is there and then what comes, in order and once."""
    await filled(site)
    ear = Ear()
    tail = await site.tape.tail(25, ear)
    await ear.until(30)
    for number in range(100, 110):
        await site.tape.append(fact(number))
    await ear.until(40)
    assert ear.heard == list(range(25, 41))
    await tail.close()
    assert tail.failed is None


async def test_tail_of_filters(site: Site) -> None:
    """A tail with filters delivers those and no other."""
    ear = Ear()
    tail = await site.tape.tail(1, ear, subjects=("tape.market.>", "tape.session.b.*"))
    await filled(site)
    await ear.until(30)
    assert ear.heard == [number for number in range(1, 31) if number % 3 != 1]
    await tail.close()


async def test_nothing_is_delivered_after_close(site: Site) -> None:
    """When close returned, the callback is not called again."""
    ear = Ear()
    tail = await site.tape.tail(1, ear)
    await site.tape.append(fact(1))
    await ear.until(1)
    await tail.close()
    await tail.ended()
    await site.tape.append(fact(2))
    await asyncio.sleep(0.05)
    assert ear.heard == [1]


async def test_callback_under_way_is_finished_on_close(site: Site) -> None:
    """Closing a tail does not tear its callback apart."""
    steps: list[str] = []
    entered = asyncio.Event()

    async def slow(_: Message) -> None:
        steps.append("begun")
        entered.set()
        await asyncio.sleep(0.05)
        steps.append("done")

    tail = await site.tape.tail(1, slow)
    await site.tape.append(fact(1))
    await site.tape.append(fact(2))
    await entered.wait()
    await tail.close()
    assert steps == ["begun", "done"]


async def test_tail_may_be_closed_by_its_callback(site: Site) -> None:
    """A callback may end its own tail."""
    heard: list[int] = []

    async def once(message: Message) -> None:
        heard.append(message.sequence)
        await tail.close()

    await filled(site)
    tail = await site.tape.tail(1, once)
    async with asyncio.timeout(5):
        await tail.ended()
    assert heard == [1]


async def test_error_in_a_callback_ends_the_tail(site: Site) -> None:
    """An error stops the tail at its message and is told to whoever waits."""

    async def fail_at_three(message: Message) -> None:
        if message.sequence == 3:
            raise ValueError("three")

    await filled(site)
    tail = await site.tape.tail(1, fail_at_three)
    with pytest.raises(ValueError, match="three"):
        async with asyncio.timeout(5):
            await tail.ended()
    assert isinstance(tail.failed, ValueError)


async def test_slow_tail_misses_nothing(site: Site) -> None:
    """A callback slower than the appends still gets every message."""
    heard: list[int] = []

    async def slow(message: Message) -> None:
        await asyncio.sleep(0.001)
        heard.append(message.sequence)
        if message.sequence == 200:
            done.set()

    done = asyncio.Event()
    tail = await site.tape.tail(1, slow)
    await site.tape.append_bulk([frame(number) for number in range(200)], window=16)
    async with asyncio.timeout(20):
        await done.wait()
    assert heard == list(range(1, 201))
    await tail.close()


async def test_closed_tape_refuses(site: Site) -> None:
    """After close, everything says so and tails have ended."""
    ear = Ear()
    tail = await site.tape.tail(1, ear)
    await site.tape.close()
    await tail.ended()
    with pytest.raises(TapeUnavailable):
        await site.tape.append(fact(1))
    with pytest.raises(TapeUnavailable):
        await site.tape.info()
    with pytest.raises(TapeUnavailable):
        await site.tape.page(1)
    with pytest.raises(TapeUnavailable):
        await site.tape.last("tape.>")
