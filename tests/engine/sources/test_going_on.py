"""A simulated source that starts again goes on with its market where the tape stands."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.feeds.simulated import SimulatedFeed, SimulatedMarket
from engine.recordings import shelf
from engine.recordings.reading import RecordingReader, Window
from engine.recordings.recorder import Recorder
from engine.sources import holding
from engine.sources.going_on import gone_on
from engine.sources.source import Source, feed_of
from events.facts import RecordingOpened
from events.rows import Rows
from tests.engine.sessions.memory_house import KEEPING, MemoryHouse, until

SECOND_NS = 1_000_000_000
SOURCE = Source(id="sim", kind="simulated", symbols=("BTC_USDT", "ETH_USDT"), acceleration=200.0)
RUNS, MESSAGES = 3, 5


async def recorded(house: MemoryHouse) -> list[tuple[SimulatedMarket, Rows]]:
    """Recipe and rows of each recording, moments counted from the recipe's start."""
    found = []
    for one in (await shelf.load(house.tape)).recordings.values():
        if one.completed is None:
            continue
        window = Window(one.opened.source, one.completed.first, one.completed.last)
        rows = np.concatenate([item.rows async for item in RecordingReader(house.tape).read(window)])
        market = msgspec.json.decode(one.opened.mapping, type=SimulatedMarket)
        for name in ("ts_event_ns", "ts_received_ns"):
            rows[name] -= market.start_ns
        found.append((market, rows))
    return found


def whole(market: SimulatedMarket, count: int) -> Rows:
    """The first rows of the same market, uninterrupted."""
    parts, rows = [], 0
    fresh = msgspec.structs.replace(market, start_ns=0, after_ns=0, after_rows=0)
    for part in SimulatedFeed(fresh).chunks(lambda form: [one.symbol for one in market.instruments].index(form.symbol)):
        parts.append(part)
        rows += len(part)
        if rows >= count:
            break
    return np.concatenate(parts)[:count]


async def test_runs_behind_each_other_are_one_market(tmp_path: Path) -> None:
    """Stopped and held again in another process, a source gives the rows that it gives uninterrupted, later."""
    house = MemoryHouse(tmp_path, {"sim": SOURCE})
    await house.start()
    heard = 0

    async def more() -> bool:
        return len([one async for one in house.tape.read(1, subjects=("tape.market.sim",))]) >= heard + MESSAGES

    for _ in range(RUNS):
        process = holding.Sources(house.tape.share(), house.keys, house.clock, house.known, None, KEEPING)
        async with process.held("sim", "s1"):
            await until(more)
        heard = len([one async for one in house.tape.read(1, subjects=("tape.market.sim",))])
    runs = await recorded(house)
    assert len(runs) == RUNS
    ends = [market.start_ns + int(rows["ts_event_ns"][-1]) for market, rows in runs]
    begins = [market.start_ns + int(rows["ts_event_ns"][0]) for market, rows in runs]
    assert all(begin >= end for begin, end in zip(begins[1:], ends[:-1], strict=True)), "time never goes back"
    rows = np.concatenate([rows for _, rows in runs])
    rows["instrument"] -= rows["instrument"].min()
    assert rows.tobytes() == whole(runs[0][0], len(rows)).tobytes()


@pytest.mark.parametrize("given", [1, 2, 40, 1_000, 12_345])
async def test_it_goes_on_behind_any_row(tmp_path: Path, given: int) -> None:
    """Wherever a run was cut, within a moment of many rows too, no row is given twice and none is left out."""
    house = MemoryHouse(tmp_path)
    await house.start()
    market = crowded()
    rows = whole(market, given + 50)
    await record(house, market, rows[:given])
    later = await gone_on(house.tape, "sim", market, 5 * SECOND_NS)
    got = np.concatenate(list(islice(SimulatedFeed(later).chunks(place), 3)))[:50]
    for name in ("ts_event_ns", "ts_received_ns"):
        got[name] -= later.start_ns
    assert got.tobytes() == rows[given:].tobytes()
    assert later.start_ns + later.after_ns >= 5 * SECOND_NS


async def test_a_market_that_was_to_end_goes_on(tmp_path: Path) -> None:
    """A source whose market was made to end sooner goes on with it behind that end."""
    house = MemoryHouse(tmp_path)
    await house.start()
    market = crowded()
    short = msgspec.structs.replace(market, duration_s=market.block_s)
    rows = np.concatenate(list(SimulatedFeed(short).chunks(place)))
    await record(house, short, rows)
    later = await gone_on(house.tape, "sim", market, 5 * SECOND_NS)
    got = next(SimulatedFeed(later).chunks(place))[:50].copy()
    for name in ("ts_event_ns", "ts_received_ns"):
        got[name] -= later.start_ns
    assert got.tobytes() == whole(market, len(rows) + 50)[len(rows) :].tobytes()


async def test_another_recipe_begins_anew(tmp_path: Path) -> None:
    """A source with another seed than before does not go on with the old market."""
    house = MemoryHouse(tmp_path)
    await house.start()
    market = crowded()
    await record(house, market, whole(market, 10))
    other = msgspec.structs.replace(market, seed=2)
    assert await gone_on(house.tape, "sim", other, 0) == other


def place(form: object) -> int:
    """All instruments are in the order of the recipe."""
    return int(form.symbol.startswith("ETH"))  # type: ignore[attr-defined]


def crowded() -> SimulatedMarket:
    """A market in which half of the trades share their moment with the one before."""
    feed = feed_of(SOURCE, 0)
    assert isinstance(feed, SimulatedFeed)
    return msgspec.structs.replace(feed.market, burst_ratio=0.9)


async def record(house: MemoryHouse, market: SimulatedMarket, rows: Rows) -> None:
    """A recording of these rows, a message for each few."""
    told = SimulatedFeed(market).survey()
    opened = RecordingOpened(
        recording="r1",
        source="sim",
        origin="simulated",
        description="",
        instruments=(0, 1),
        symbols=("BTC_USDT", "ETH_USDT"),
        kinds=told.kinds,
        section=told.section,
        designated=told.designated,
        mapping=told.mapping,
        opened_ns=0,
    )
    recorder = Recorder(house.tape, house.clock, opened)
    await recorder.open()
    for at in range(0, len(rows), 7):
        await recorder.put(rows[at : at + 7])
        await recorder.flush()
    await recorder.complete()
