"""Candles, prices, statistics and the past of every market store, against a plain-Python account."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from events.errors import InvalidInput, ReadModelUnavailable
from events.rows import MarketKind, SectionKind
from projections.market_store import (
    BAR_ROW,
    TICK_ROW,
    Interval,
    MarketQuery,
    SessionQuery,
    Span,
)
from tests.contracts.market_worlds import (
    ALL,
    EVERYTHING,
    LIMITS,
    SECOND_NS,
    START_NS,
    World,
    assert_same,
    bar_candles_of,
    bar_rows,
    candles_of,
    decision_rows,
    market_rows,
    mids_of,
    placed,
    prices_of,
    stats_of,
    ticks_of,
)

pytest_plugins = ["tests.contracts.market_stores"]

# --- candles, prices, statistics ----------------------------------------------------------------------------------


async def test_candles_are_the_trades_by_interval(world: World) -> None:
    """Candles of every interval equal those counted by hand, with late rows, equal times and prints left out."""
    frames = world.framed(market_rows(16, 900))
    for part in (frames[:9], frames[9:]):  # views are refreshed in between
        await world.put(part)
    for interval in Interval:
        for instrument in (1, 2):
            query = MarketQuery(world.source, instrument, EVERYTHING)
            wanted = candles_of(ticks_of(frames), instrument, interval.ns)
            assert len(wanted)
            assert_same((await world.store.candles(query, interval)).rows, wanted)


async def test_candles_are_cut_by_span(world: World) -> None:
    """A span takes candles that start within it, the newest or the oldest, with an offset."""
    frames = world.framed(market_rows(17, 500))
    await world.put(frames)
    wanted = candles_of(ticks_of(frames), 1, Interval.M5.ns)
    first, until = int(wanted["ts_open_ns"][3]), int(wanted["ts_open_ns"][-2])
    within = wanted[3:-2]
    for newest, limit, offset in ((True, 4, 0), (True, 4, 2), (False, 4, 0), (False, 4, 2), (True, ALL, 0)):
        span = Span(first, until, limit, newest, offset)
        found = (await world.store.candles(MarketQuery(world.source, 1, span), Interval.M5)).rows
        end = len(within) - offset
        assert_same(found, within[max(end - limit, 0) : end] if newest else within[offset : offset + limit])


@pytest.mark.parametrize("of_bars", [True, False])
async def test_candles_are_whole_at_both_ends(world: World, of_bars: bool) -> None:
    """A span that begins and ends within candles has those that start within it, each of all of its rows."""
    frames = world.framed(bar_rows(29, 200, Interval.M5.ns) if of_bars else market_rows(29, 500))
    await world.put(frames)
    interval = Interval.H1 if of_bars else Interval.M5
    rows = (
        bar_candles_of(placed(frames, BAR_ROW), interval.ns)
        if of_bars
        else candles_of(ticks_of(frames), 1, interval.ns)
    )
    first, until = int(rows["ts_open_ns"][1]) + 1, int(rows["ts_open_ns"][-2]) + interval.ns // 2
    for newest in (True, False):
        span = Span(first, until, ALL, newest)
        assert_same((await world.store.candles(MarketQuery(world.source, 1, span), interval)).rows, rows[2:-1])
    within = Span(first, first + 1, ALL)
    assert not len((await world.store.candles(MarketQuery(world.source, 1, within), interval)).rows)


async def test_candles_of_bars(world: World) -> None:
    """A source of bars has candles of every interval its bars divide; a bar given twice counts once, the later."""
    bars = bar_rows(18, 200, Interval.M5.ns)
    again = bars[20:60].copy()
    again["close"] += 1.0
    frames = world.framed(bars) + world.framed(again)
    await world.put(frames)
    query = MarketQuery(world.source, 1, EVERYTHING)
    for interval in (Interval.M5, Interval.M15, Interval.H1, Interval.D1):
        wanted = bar_candles_of(placed(frames, BAR_ROW), interval.ns)
        assert_same((await world.store.candles(query, interval)).rows, wanted)
        newest = MarketQuery(world.source, 1, Span(limit=2, offset=1))
        assert_same((await world.store.candles(newest, interval)).rows, wanted[:-1][-2:])
    with pytest.raises(InvalidInput, match=r"bars of 300 s only.*1m"):
        await world.store.candles(query, Interval.M1)


async def test_candles_prefer_the_longest_bars(world: World) -> None:
    """With bars of a minute and of an hour, hourly candles come from the hourly ones."""
    minutes, hours = bar_rows(19, 100, Interval.M1.ns), bar_rows(20, 5, Interval.H1.ns)
    await world.put(world.framed(minutes) + (frames := world.framed(hours)))
    query = MarketQuery(world.source, 1, EVERYTHING)
    found = (await world.store.candles(query, Interval.H1)).rows
    assert_same(found, bar_candles_of(placed(frames, BAR_ROW), Interval.H1.ns))
    assert len((await world.store.candles(query, Interval.M1)).rows) == len(np.unique(minutes["ts_event_ns"]))


async def test_prices_are_the_newest_trades(world: World) -> None:
    """Each instrument has the price of its newest trade that counts; one with bars only, its last close."""
    frames = world.framed(market_rows(21, 300))
    await world.put(frames + world.framed(bar_rows(22, 10, Interval.H1.ns, instrument=7)))
    found = (await world.store.prices(world.source)).rows
    assert_same(found[:-1], prices_of(ticks_of(frames)))
    bar = bar_rows(22, 10, Interval.H1.ns, instrument=7)[-1]
    assert tuple(found[-1])[:3] == (bar["ts_event_ns"] + Interval.H1.ns, bar["close"], 7)


async def test_candles_of_quotes_are_the_middle_of_both_sides(world: World) -> None:
    """Of each interval with bids and asks, as they stood as of any sequence; without volume."""
    frames = world.framed(market_rows(31, 900))
    await world.put(frames)
    for interval, as_of in ((Interval.M5, None), (Interval.H1, None), (Interval.M5, frames[9].sequence)):
        query = MarketQuery(world.source, 1, EVERYTHING, as_of)
        wanted = mids_of(placed(frames, TICK_ROW, as_of), 1, interval.ns)
        assert len(wanted) > 2
        assert_same((await world.store.mids(query, interval)).rows, wanted)
    newest = MarketQuery(world.source, 1, Span(limit=2))
    wanted = mids_of(placed(frames, TICK_ROW), 1, Interval.M5.ns)
    assert_same((await world.store.mids(newest, Interval.M5)).rows, wanted[-2:])
    assert not len((await world.store.mids(MarketQuery(world.source, 99), Interval.M5)).rows)


async def test_mid_prices_are_of_the_newest_quotes(world: World) -> None:
    """Each instrument has the middle of its newest bid and newest ask."""
    frames = world.framed(market_rows(32, 300))
    await world.put(frames)
    rows = placed(frames, TICK_ROW)
    for price in (await world.store.mid_prices(world.source)).rows:
        mine = rows[(rows["instrument"] == price["instrument"]) & (rows["price"] > 0)]
        bid, ask = (mine[mine["kind"] == kind][-1] for kind in (MarketKind.BID, MarketKind.ASK))
        assert price["price"] == (bid["price"] + ask["price"]) / 2
        assert price["ts_event_ns"] == max(bid["ts_event_ns"], ask["ts_event_ns"])
    assert (await world.store.mid_prices(world.source)).rows["instrument"].tolist() == [1, 2, 3]


async def test_stats_are_of_whole_minutes(world: World) -> None:
    """A day's open, high, low, volume and turnover per instrument equal those counted by hand."""
    frames = world.framed(market_rows(23, 600))
    bars = world.framed(bar_rows(24, 40, Interval.M5.ns, instrument=7))
    await world.put(frames + bars)
    first, until = START_NS + 1800 * SECOND_NS + 1, START_NS + 7100 * SECOND_NS + 1
    minutes = (START_NS + 1800 * SECOND_NS, START_NS + 7140 * SECOND_NS)
    found = (await world.store.stats(world.source, first, until)).rows
    assert_same(found[:-1], stats_of(ticks_of(frames), *minutes))
    of_bars = placed(bars, BAR_ROW)
    of_bars = of_bars[(of_bars["ts_event_ns"] >= minutes[0]) & (of_bars["ts_event_ns"] < minutes[1])]
    assert found[-1]["high"] == of_bars["high"].max()
    assert found[-1]["open"] == of_bars["open"][0]
    assert found[-1]["ts_open_ns"] == of_bars["ts_event_ns"][0]
    assert found[-1]["trades"] == of_bars["trades"].sum()


# --- the past -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [25, 26])
async def test_as_of_is_what_the_store_was(world: World, seed: int) -> None:
    """Every read as of a sequence equals what was there when the tape ended there, whatever came later."""
    frames = world.framed(market_rows(seed, 500), frame_rows=23)
    fills = world.decided(SectionKind.FILL, decision_rows(seed, SectionKind.FILL, 30))
    await world.put([*frames, *fills])
    for at in (0, 1, len(frames) // 2, len(frames) - 2, len(frames) - 1):
        as_of = frames[at].sequence
        ticks = ticks_of(frames, as_of)
        query = MarketQuery(world.source, 2, EVERYTHING, as_of)
        found = await world.store.ticks(query)
        assert found.rows.tobytes() == ticks[ticks["instrument"] == 2].tobytes()
        assert found.sequence == as_of
        for interval in (Interval.M1, Interval.M15, Interval.D1):
            assert_same((await world.store.candles(query, interval)).rows, candles_of(ticks, 2, interval.ns))
        assert_same((await world.store.prices(world.source, as_of)).rows, prices_of(ticks))
        first, until = START_NS + 1200 * SECOND_NS, START_NS + 6000 * SECOND_NS
        assert_same((await world.store.stats(world.source, first, until, as_of)).rows, stats_of(ticks, first, until))
    half = fills[2].sequence
    found = await world.store.decisions(SectionKind.FILL, SessionQuery(world.session, EVERYTHING, half))
    assert list(found.rows["ordinal"]) == list(range(21))


async def test_bars_as_of(world: World) -> None:
    """Candles, prices and bars of a source of bars are those that had come by then."""
    frames = world.framed(bar_rows(27, 120, Interval.M1.ns), frame_rows=11)
    again = bar_rows(27, 120, Interval.M1.ns)
    again["close"] += 1.0
    late = world.framed(again, frame_rows=50)
    await world.put(frames + late)
    for as_of in (frames[0].sequence, frames[5].sequence, late[0].sequence):
        bars = placed(frames + late, BAR_ROW, as_of)
        query = MarketQuery(world.source, 1, EVERYTHING, as_of)
        assert (await world.store.bars(query)).rows.tobytes() == bars.tobytes()
        assert_same((await world.store.candles(query, Interval.M15)).rows, bar_candles_of(bars, Interval.M15.ns))
        price = (await world.store.prices(world.source, as_of)).rows[0]
        assert price["price"] == bar_candles_of(bars, Interval.M1.ns)["close"][-1]


async def test_as_of_the_future_is_refused(world: World) -> None:
    """A sequence that is not visible within the bound is an answer of its own, not half an answer."""
    last = await world.put(world.framed(market_rows(28, 10)))
    world.store.limits = msgspec.structs.replace(LIMITS, wait_seconds_max=0.05)
    future = last + 1_000_000
    with pytest.raises(ReadModelUnavailable, match=f"{future} did not come"):
        await world.store.ticks(MarketQuery(world.source, 1, as_of=future))
    with pytest.raises(ReadModelUnavailable, match=f"{future} did not come"):
        await world.store.candles(MarketQuery(world.source, 1, as_of=future), Interval.M1)
