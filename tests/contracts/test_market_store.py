"""What every market store promises: one suite for QuestDB and DuckDB, against a plain-Python account."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest

from events.errors import InvalidInput
from events.rows import MARKET_DTYPE, MarketKind, SectionKind
from projections.batch import Checkpoint
from projections.market_duckdb import DuckMarketStore
from projections.market_store import (
    BAR_ROW,
    CANDLE_ROW,
    DECISION_ROWS,
    EVENT_NS_MAX,
    NS_MAX,
    TICK_ROW,
    Interval,
    MarketFrame,
    MarketQuery,
    MarketStore,
    SessionQuery,
    Span,
)
from projections.questdb.access import Access
from projections.questdb.store import QuestDbMarketStore
from tests.contracts.market_worlds import (
    ALL,
    EVERYTHING,
    LIMITS,
    SECOND_NS,
    START_NS,
    World,
    assert_same,
    bar_rows,
    candles_of,
    counted,
    decision_rows,
    decisions_of,
    market_rows,
    placed,
    ticks_of,
)

pytest_plugins = ["tests.contracts.market_stores"]

# --- rows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("instrument", [1, 2])
async def test_trades_come_back_bit_for_bit(world: World, instrument: int) -> None:
    """Every trade comes back as it stood on the tape, with its place, and nothing that is no trade."""
    frames = world.framed(market_rows(1, 600))
    last = await world.put(frames)
    answer = await world.store.ticks(MarketQuery(world.source, instrument, EVERYTHING))
    wanted = ticks_of(frames)
    assert answer.rows.tobytes() == wanted[wanted["instrument"] == instrument].tobytes()
    assert answer.sequence >= last


async def test_extreme_numbers_survive(world: World) -> None:
    """The smallest, the largest and the negative zero come back with all their bits, and so does a time's last ns."""
    rows = np.zeros(6, MARKET_DTYPE)
    rows["ts_event_ns"] = [0, 1, START_NS + 1, START_NS + 999_999_999, 2**62, EVENT_NS_MAX]
    rows["ts_received_ns"] = [2**63 - 1, 0, -1, START_NS, 1, 2]
    rows["price"] = [5e-324, 1.7976931348623157e308, 0.1 + 0.2, -0.0, 2.0**53 + 2, 1e22]
    rows["quantity"] = [1e-300, 1 / 3, 123456789.12345679, 0.0, 1e16, 5e-324]
    rows["id"] = [-(2**63), 2**63 - 1, 0, -1, 2**53 + 1, 7]
    rows["instrument"], rows["kind"], rows["side"], rows["flags"] = 2**31 - 1, MarketKind.TRADE, -1, 65_535
    frames = world.framed(rows)
    await world.put(frames)
    answer = await world.store.ticks(MarketQuery(world.source, 2**31 - 1, EVERYTHING))
    assert answer.rows.tobytes() == placed(frames, TICK_ROW).tobytes()


async def test_quotes_are_the_best_bids_and_asks(world: World) -> None:
    """Quotes come back with their kind; book levels and clock rows are nowhere."""
    frames = world.framed(market_rows(2, 300))
    await world.put(frames)
    answer = await world.store.quotes(MarketQuery(world.source, 3, EVERYTHING))
    rows = placed(frames, TICK_ROW)
    wanted = rows[(rows["instrument"] == 3) & np.isin(rows["kind"], [MarketKind.BID, MarketKind.ASK])]
    assert len(wanted) > 10
    assert answer.rows.tobytes() == wanted.tobytes()


async def test_bars_come_back(world: World) -> None:
    """Bars come back as the source gave them."""
    frames = world.framed(bar_rows(3, 60, Interval.M1.ns))
    await world.put(frames)
    answer = await world.store.bars(MarketQuery(world.source, 1, EVERYTHING))
    assert answer.rows.tobytes() == placed(frames, BAR_ROW).tobytes()


@pytest.mark.parametrize("kind", list(DECISION_ROWS))
async def test_decisions_come_back_in_order(world: World, kind: SectionKind) -> None:
    """The rows of a session come back bit for bit in the order of their ordinals, and no other session's."""
    frames = world.decided(kind, decision_rows(4, kind, 50))
    other = world.decided(kind, decision_rows(5, kind, 9), session=world.session + "x")
    await world.put(frames + other)
    answer = await world.store.decisions(kind, SessionQuery(world.session, EVERYTHING))
    wanted = decisions_of(frames, kind)
    assert answer.rows.tobytes() == wanted.tobytes()
    assert list(answer.rows["ordinal"]) == list(range(50))
    last = await world.store.decisions(kind, SessionQuery(world.session, Span(limit=3, offset=2)))
    assert list(last.rows["ordinal"]) == [45, 46, 47]


async def test_decisions_of_one_instrument(world: World) -> None:
    """A session's fills can be asked for by instrument; marks have none and are not narrowed."""
    fills = world.decided(SectionKind.FILL, decision_rows(6, SectionKind.FILL, 40))
    marks = world.decided(SectionKind.MARK, decision_rows(6, SectionKind.MARK, 10))
    await world.put(fills + marks)
    query = SessionQuery(world.session, EVERYTHING, instrument=2)
    answer = await world.store.decisions(SectionKind.FILL, query)
    wanted = decisions_of(fills, SectionKind.FILL)
    assert answer.rows.tobytes() == wanted[wanted["instrument"] == 2].tobytes()
    assert len((await world.store.decisions(SectionKind.MARK, query)).rows) == 10


@pytest.mark.parametrize("name", ["it's", "a' OR '1'='1", 'quo"ted', "back\\slash", "日本 \U0001f600", "%_;--"])
async def test_names_are_only_names(world: World, name: str) -> None:
    """Whatever a session or source is called, it is found by that name and by no other."""
    fills = world.decided(SectionKind.FILL, decision_rows(7, SectionKind.FILL, 3), session=name + world.session)
    source = name + world.source
    ticks = MarketFrame(source, world.sequence(), market_rows(8, 30, [1]))
    await world.put([*fills, ticks])
    found = await world.store.decisions(SectionKind.FILL, SessionQuery(name + world.session))
    assert found.rows.tobytes() == decisions_of(fills, SectionKind.FILL).tobytes()
    answer = await world.store.ticks(MarketQuery(source, 1, EVERYTHING))
    assert answer.rows.tobytes() == ticks_of([ticks]).tobytes()
    candles = await world.store.candles(MarketQuery(source, 1, EVERYTHING), Interval.D1)
    assert_same(candles.rows, candles_of(ticks_of([ticks]), 1, Interval.D1.ns))
    assert len((await world.store.prices(source)).rows) == 1
    assert not len((await world.store.decisions(SectionKind.FILL, SessionQuery(name))).rows)


# --- writing again ------------------------------------------------------------------------------------------------


async def test_repeated_batches_change_nothing(world: World) -> None:
    """A batch written again, whole, in part, in other pieces or twice in one call leaves the store as it was."""
    frames = world.framed(market_rows(9, 300))
    decided = world.decided(SectionKind.ORDER, decision_rows(9, SectionKind.ORDER, 30))
    bars = world.framed(bar_rows(9, 20, Interval.H1.ns, instrument=9))
    await world.put([*frames, *decided, *bars])
    before = await world.store.content_hash()
    candles = await world.store.candles(MarketQuery(world.source, 1, EVERYTHING), Interval.M1)
    for again in (frames, frames[2:4], frames[::-1], frames + frames):
        await world.put([*again, *decided, *bars])
        assert await world.store.content_hash() == before
    after = await world.store.candles(MarketQuery(world.source, 1, EVERYTHING), Interval.M1)
    assert_same(after.rows, candles.rows)


async def test_a_cut_batch_is_made_whole(world: World) -> None:
    """Where only the first rows of a message arrived, the message written again leaves each row once."""
    rows = market_rows(10, 200)
    whole = MarketFrame(world.source, world.sequence(), rows)
    world.store.write_market([msgspec.structs.replace(whole, rows=rows[:70])])
    await world.put([whole])
    answer = await world.store.ticks(MarketQuery(world.source, 1, EVERYTHING))
    wanted = ticks_of([whole])
    assert answer.rows.tobytes() == wanted[wanted["instrument"] == 1].tobytes()


async def test_a_part_of_a_section_has_its_own_first_index(world: World) -> None:
    """A section written in two parts is the section."""
    rows = market_rows(11, 100, [1])
    sequence = world.sequence()
    parts = [MarketFrame(world.source, sequence, rows[:33]), MarketFrame(world.source, sequence, rows[33:], 33)]
    await world.put(parts)
    answer = await world.store.ticks(MarketQuery(world.source, 1, EVERYTHING))
    assert answer.rows.tobytes() == ticks_of([MarketFrame(world.source, sequence, rows)]).tobytes()


@pytest.mark.parametrize("time_ns", [-1, EVENT_NS_MAX + 1, -(2**63), 2**63 - 1])
async def test_times_that_cannot_be_kept_are_left_out(world: World, time_ns: int) -> None:
    """A row whose event time is before 1970 or after 2261 is left out; the others are where they would be with it."""
    rows = market_rows(12, 5, [1])
    rows["kind"] = MarketKind.TRADE
    frames = world.framed(rows)
    wanted = ticks_of(frames)
    rows["ts_event_ns"][3] = time_ns
    await world.put(frames)
    answer = await world.store.ticks(MarketQuery(world.source, 1, EVERYTHING))
    assert answer.rows.tobytes() == wanted[wanted["index"] != 3].tobytes()


async def test_nothing_is_written_by_empty_calls(world: World) -> None:
    """No frames, and frames without a row to keep, are no error."""
    world.store.write_market([])
    world.store.write_decisions([])
    rows = market_rows(13, 10)
    rows["kind"] = MarketKind.BOOK_SET
    await world.put(world.framed(rows))
    assert not len((await world.store.ticks(MarketQuery(world.source, 1))).rows)


# --- spans --------------------------------------------------------------------------------------------------------


async def test_spans_cut_rows_by_time_and_number(world: World) -> None:
    """Newest or oldest n rows of a stretch, with an offset, always oldest first; equal times keep the tape's order."""
    rows = market_rows(14, 200, [1])
    rows["kind"] = MarketKind.TRADE
    rows["ts_event_ns"] = rows["ts_event_ns"] // (600 * SECOND_NS) * (600 * SECOND_NS)  # many equal times
    frames = world.framed(rows)
    await world.put(frames)
    wanted = ticks_of(frames)
    times = np.unique(wanted["ts_event_ns"])
    for first, until in ((0, NS_MAX), (int(times[2]), int(times[9])), (int(times[2]) + 1, int(times[9]) + 1)):
        within = wanted[(wanted["ts_event_ns"] >= first) & (wanted["ts_event_ns"] < until)]
        for limit in (1, 7, ALL):
            for offset in (0, 3, len(within), len(within) + 5):
                newest = await world.store.ticks(
                    MarketQuery(world.source, 1, Span(first, until, limit, newest=True, offset=offset))
                )
                end = max(len(within) - offset, 0)
                assert newest.rows.tobytes() == within[max(end - limit, 0) : end].tobytes()
                oldest = await world.store.ticks(
                    MarketQuery(world.source, 1, Span(first, until, limit, newest=False, offset=offset))
                )
                assert oldest.rows.tobytes() == within[offset : offset + limit].tobytes()


@pytest.mark.parametrize("span", [Span(limit=0), Span(limit=-1), Span(limit=LIMITS.rows_max + 1), Span(offset=-1)])
async def test_bounds_of_a_span_are_named(world: World, span: Span) -> None:
    """A limit or offset out of bounds is refused by name by every read."""
    for read in (
        world.store.ticks(MarketQuery("s", 1, span)),
        world.store.candles(MarketQuery("s", 1, span), Interval.M1),
        world.store.decisions(SectionKind.FILL, SessionQuery("s", span)),
    ):
        with pytest.raises(InvalidInput, match=r"limit|offset"):
            await read


async def test_an_unknown_source_has_nothing(world: World) -> None:
    """Reads of what nobody wrote are empty, not errors."""
    await world.put(world.framed(market_rows(15, 10)))
    query = MarketQuery("nobody", 1)
    assert not len((await world.store.ticks(query)).rows)
    assert not len((await world.store.candles(query, Interval.H1)).rows)
    assert not len((await world.store.prices("nobody")).rows)
    assert not len((await world.store.stats("nobody", 0, START_NS)).rows)
    assert not len((await world.store.decisions(SectionKind.MARK, SessionQuery("nobody"))).rows)


# --- how far ------------------------------------------------------------------------------------------------------


async def test_the_checkpoint_is_kept(world: World) -> None:
    """The checkpoint comes back whole; what was only seen does not move it, and readers may take it for visible."""
    last = await world.put(world.framed(market_rows(29, 10)))
    assert world.store.checkpoint() == Checkpoint("epoch", last, "digest")
    seen = world.sequence()
    world.store.set_seen(seen)
    assert await world.store.wait_visible(seen) >= seen
    assert await world.store.wait_visible(seen, candles=True) >= seen
    assert world.store.checkpoint() == Checkpoint("epoch", last, "digest")


async def test_a_reader_waits_for_the_writer(world: World) -> None:
    """Who waits for a sequence is woken by its checkpoint, and then sees its rows and candles."""
    frames = world.framed(market_rows(30, 200, [1]))
    last = frames[-1].sequence

    async def write_later() -> None:
        await asyncio.sleep(0.05)
        await asyncio.to_thread(world.store.write_market, frames)
        await asyncio.to_thread(world.store.set_checkpoint, Checkpoint("epoch", last, "digest"))

    writing = asyncio.create_task(write_later())
    assert await world.store.visible() < last
    assert await world.store.wait_visible(last, candles=True) >= last
    found = await world.store.candles(MarketQuery(world.source, 1, EVERYTHING), Interval.M1)
    assert_same(found.rows, candles_of(ticks_of(frames), 1, Interval.M1.ns))
    await writing


async def test_visible_is_never_ahead_of_the_rows(world: World) -> None:
    """While batch after batch is written, an answer that names a sequence holds all rows and candles up to it."""
    rows = market_rows(31, 1_500, [1], seconds=600)
    frames = world.framed(rows, frame_rows=25)

    def write() -> None:
        for frame in frames:
            world.store.write_market([frame])
            world.store.set_checkpoint(Checkpoint("epoch", frame.sequence, "digest"))

    wanted = ticks_of(frames)
    trades = counted(wanted)["sequence"]
    writing = asyncio.create_task(asyncio.to_thread(write))
    looks = 0
    while not writing.done() or looks < 3:
        ticks = await world.store.ticks(MarketQuery(world.source, 1, Span(limit=ALL * 2)))
        assert len(ticks.rows) >= (wanted["sequence"] <= ticks.sequence).sum()
        day = await world.store.candles(MarketQuery(world.source, 1, EVERYTHING), Interval.D1)
        assert day.rows["trades"].sum() >= (trades <= day.sequence).sum()
        looks += 1
    await writing
    await world.store.wait_visible(frames[-1].sequence, candles=True)
    day = await world.store.candles(MarketQuery(world.source, 1, EVERYTHING), Interval.D1)
    assert day.rows["trades"].sum() == len(trades)


# --- anew ---------------------------------------------------------------------------------------------------------


async def test_a_rebuild_has_the_same_content(world: World) -> None:
    """Emptied and filled again, in other batches too, the store has the same hash, candles and nothing of before."""
    frames = world.framed(market_rows(32, 400))
    bars = world.framed(bar_rows(33, 30, Interval.M1.ns, instrument=9))
    decided = [frame for kind in DECISION_ROWS for frame in world.decided(kind, decision_rows(34, kind, 20))]
    everything = [*frames, *bars, *decided]
    await asyncio.to_thread(world.store.reset)
    assert world.store.checkpoint() == Checkpoint()
    assert await world.store.visible() == 0
    empty = await world.store.content_hash()
    hashes = []
    for step in (len(everything), 5):
        await asyncio.to_thread(world.store.reset)
        assert await world.store.content_hash() == empty
        for start in range(0, len(everything), step):
            await world.put(everything[start : start + step])
        hashes.append(await world.store.content_hash())
        for interval in (Interval.M1, Interval.H4):
            found = await world.store.candles(MarketQuery(world.source, 1, EVERYTHING), interval)
            assert_same(found.rows, candles_of(ticks_of(frames), 1, interval.ns))
    assert hashes[0] == hashes[1] != empty
    assert await world.store.troubles() == []


@pytest.mark.questdb
async def test_both_stores_have_the_same_hash(questdb: Access, tmp_path: Path) -> None:
    """The same rows give the same content hash in QuestDB and in DuckDB."""
    stores: list[MarketStore] = [DuckMarketStore(tmp_path / "m.duckdb", LIMITS), QuestDbMarketStore(questdb, LIMITS)]
    rows, fills = market_rows(35, 300), decision_rows(35, SectionKind.FILL, 40)
    frames = [MarketFrame("s", at + 1, rows[at * 30 : at * 30 + 30]) for at in range(10)]
    hashes = []
    for store in stores:
        await asyncio.to_thread(store.reset)
        world = World(store)
        decided = [
            msgspec.structs.replace(each, session="x", sequence=20 + at)
            for at, each in enumerate(world.decided(SectionKind.FILL, fills))
        ]
        await world.put([*frames, *decided])
        hashes.append(await store.content_hash())
        await store.close()
    assert hashes[0] == hashes[1]


def test_a_candle_row_is_ninety_six_bytes() -> None:
    """What a client unpacks does not change by accident."""
    assert (CANDLE_ROW.itemsize, TICK_ROW.itemsize, BAR_ROW.itemsize) == (96, 60, 84)
