"""The time until reads show what is appended."""

from __future__ import annotations

import asyncio

from events.errors import ReadModelUnavailable
from projections.latency import Latency
from tests.projections.test_runner import Noted, running, some_sessions


async def test_the_time_until_it_is_shown_is_counted_of_what_comes() -> None:
    """Each message that comes is counted by how long reads took to show it; what was there before is not."""
    script, noted = await some_sessions(), Noted()
    async with running(script, noted) as runner:
        await runner.wait_until(3, 5)
        assert sum(runner.latency.took.timing().counts) == 0
        for name in ("late", "later"):
            script.clock.advance(1)
            await script.start(name)
        await runner.wait_until(5, 5)
        assert sum(runner.latency.took.timing().counts) == 2
        assert runner.latency.took.timing().labels == (("projection", "noted"),)


async def test_a_store_that_shows_later_is_waited_for() -> None:
    """Where a store shows later what it was given, that is when it is counted; one that is away stops nothing."""
    script, asked = await some_sessions(), asyncio.Event()
    shows: asyncio.Queue[bool] = asyncio.Queue()

    async def shown(sequence: int) -> None:
        asked.set()
        if not await shows.get():
            raise ReadModelUnavailable("away")

    latency = Latency("market", script.clock, shown)
    message = await script.tape.get(1)
    assert message is not None
    for well, counted in ((False, 0), (True, 1)):
        latency.applied([message])
        await asyncio.wait_for(asked.wait(), 5)
        latency.applied([message])  # one at a time
        assert sum(latency.took.timing().counts) == 0
        shows.put_nowait(well)
        asked.clear()
        for _ in range(10):
            await asyncio.sleep(0)
        assert sum(latency.took.timing().counts) == counted
    await latency.close()
