"""Two venues of one symbol that are recorded live: a chart that asks again and again has one of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from api.services.candle_venues import KEPT_SECONDS, CandleVenues
from api.services.market_sources import Reach
from events.clock import ManualClock, SystemClock
from events.rows import MARKET_DTYPE, MarketKind, Rows
from projections.market_duckdb import DuckMarketStore
from projections.market_store import Interval, MarketFrame
from tests.api.recordings import LiveSource, simulated_recording
from tests.api.worlds import World, world

MINUTE_NS = Interval.M1.ns
START_NS = 28_333_333 * MINUTE_NS
FIRST, SECOND = 1, 2


def trades(minutes: range, number: int, second: int = 0) -> Rows:
    """One trade a minute."""
    rows = np.zeros(len(minutes), MARKET_DTYPE)
    rows["ts_event_ns"] = rows["ts_received_ns"] = START_NS + np.array(minutes) * MINUTE_NS + second * 1_000_000_000
    rows["instrument"], rows["kind"], rows["price"], rows["quantity"] = number, MarketKind.TRADE, 100.0 * number, 1.0
    return rows


async def polled(made: World) -> set[str]:
    """Whose candles the newest, and those since the newest minute, are."""
    await made.caught_up()
    path = "/api/market/data?symbol=BTC_USDT&timeframe=1m"
    return {(await made.get(f"{path}{since}")).headers["Tape-Instrument"] for since in ("", "&start=2023-11-14")}


async def test_a_chart_that_polls_is_of_one_venue(tmp_path: Path) -> None:
    """Whoever traded last and has begun the newest candle, from the first one on."""
    async with world(tmp_path) as made:
        of = {}
        for number, venue in ((FIRST, "zeta"), (SECOND, "alpha")):
            of[number] = LiveSource(made.tape, ("BTC_USDT",), name=venue, venue=venue)
            await of[number].open()
            await of[number].give(trades(range(1), number, second=number))
        seen = set()
        for minute in range(1, 5):
            order = (FIRST, SECOND) if minute % 2 else (SECOND, FIRST)
            for at, number in enumerate(order):
                await of[number].give(trades(range(minute, minute + 1), number, second=10 * at))
                seen |= await polled(made)
        assert seen == {"BTC_USDT@zeta"}


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        (range(5, 10), range(10), [SECOND, FIRST]),
        (range(10), range(5, 11), [FIRST, SECOND]),
        (range(9), range(10), [FIRST, SECOND]),  # the newest candle is open
        (range(2, 40), range(41), [FIRST, SECOND]),  # a few missed
        (range(0), range(1), [SECOND, FIRST]),
    ],
)
async def test_most_of_all_that_is_recorded_is_first(
    tmp_path: Path, first: range, second: range, wanted: list[int]
) -> None:
    """Near counts are equal, and then the venue that was registered first is."""
    store = DuckMarketStore(tmp_path / "market.duckdb")
    store.create()
    frames = [MarketFrame("s", at, trades(one, at)) for at, one in ((FIRST, first), (SECOND, second))]
    store.write_market(frames)
    sources = {number: [Reach("s")] for number in (SECOND, FIRST)}
    assert await CandleVenues(store, SystemClock()).ranked(sources, Interval.M1, None) == wanted
    await store.close()


async def test_a_venue_that_is_recorded_now_is_first(tmp_path: Path) -> None:
    """A chart that polls moves, and of two such it is of one; what is recorded now and has no candle yet is last."""
    store, third, fourth = DuckMarketStore(tmp_path / "market.duckdb"), 3, 4
    store.create()
    for number, minutes in ((FIRST, range(99)), (SECOND, range(90, 92)), (third, range(90, 92))):
        store.write_market([MarketFrame("s", number, trades(minutes, number))])
    sources = {number: [Reach("s", runs=number != FIRST)] for number in (fourth, third, SECOND, FIRST)}
    found = await CandleVenues(store, SystemClock()).ranked(sources, Interval.M1, None)
    assert found == [SECOND, third, FIRST, fourth]
    await store.close()


async def test_a_chart_without_a_start_is_of_the_live_venue(tmp_path: Path) -> None:
    """A long history of another venue is there for the times of which the live one has nothing."""
    async with world(tmp_path) as made:
        await simulated_recording(made.tape)
        live = LiveSource(made.tape, ("BTC_USDT",), name="zeta", venue="zeta")
        await live.open()
        await live.give(trades(range(30, 32), 3))
        await made.caught_up()
        path = "/api/market/data?symbol=BTC_USDT&timeframe=1m"
        newest = await made.get(path)
        assert (newest.headers["Tape-Instrument"], len(newest.json())) == ("BTC_USDT@zeta", 2)
        past = await made.get(f"{path}&end=2023-11-14T22:40:00Z")
        assert past.headers["Tape-Instrument"] == "BTC_USDT@SIM"


async def test_not_every_read_counts(tmp_path: Path) -> None:
    """A poll costs no count of all that is recorded; another source of a venue, or a minute, is noticed."""
    store, clock = DuckMarketStore(tmp_path / "market.duckdb"), ManualClock()
    store.create()
    store.write_market([MarketFrame("s", 1, trades(range(9), FIRST)), MarketFrame("s", 2, trades(range(3), SECOND))])
    venues = CandleVenues(store, clock)
    sources = {number: [Reach("s")] for number in (FIRST, SECOND)}
    assert await venues.ranked(sources, Interval.M1, None) == [FIRST, SECOND]
    store.write_market([MarketFrame("t", 3, trades(range(99), SECOND))])
    assert await venues.ranked(sources, Interval.M1, None) == [FIRST, SECOND]
    more = sources | {SECOND: [Reach("s"), Reach("t")]}
    assert await venues.ranked(more, Interval.M1, None) == [SECOND, FIRST]
    clock.advance(KEPT_SECONDS)
    assert await venues.ranked(sources, Interval.M1, None) == [SECOND, FIRST]
    await store.close()
