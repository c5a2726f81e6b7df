"""What can go wrong between the market store and its QuestDB: lost answers, suspended tables, strange tables."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from events.errors import Conflict, ReadModelUnavailable
from events.rows import SectionKind
from projections.batch import Checkpoint
from projections.market_projection import MarketProjection
from projections.market_store import Interval, Limits, MarketQuery, SessionQuery, Trouble
from projections.questdb import java
from projections.questdb.access import Access, Console, QueryRefused
from projections.questdb.server import QuestDbServer
from projections.questdb.store import QuestDbMarketStore
from projections.questdb.tables import VIEWS, bucket_of
from projections.runner import ProjectionRunner, RunnerSettings
from tests.contracts.market_worlds import (
    EVERYTHING,
    World,
    assert_same,
    candles_of,
    decision_rows,
    decisions_of,
    market_rows,
    ticks_of,
)
from tests.projections.lossy_proxy import LossyProxy
from tests.projections.questdb_servers import settings
from tests.projections.streams import Script, ticks

pytestmark = pytest.mark.questdb

LIMITS = Limits(visible_age_seconds_max=0.0, wait_seconds_max=20.0)


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """A server in its developer mode, in which a table can be suspended by hand."""
    server = QuestDbServer(tmp_path_factory.mktemp("questdb"), settings())
    plain = java.environment
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(java, "environment", lambda *given: plain(*given) | {"QDB_DEV_MODE_ENABLED": "true"})
        access = asyncio.run(server.start())
    yield access
    asyncio.run(server.stop())


@pytest.fixture
async def store(access: Access) -> AsyncIterator[QuestDbMarketStore]:
    """An empty store."""
    store = QuestDbMarketStore(access, LIMITS)
    await asyncio.to_thread(store.reset)
    yield store
    await store.close()


@pytest.fixture
def console(access: Access) -> Iterator[Console]:
    """For statements by hand."""
    console = Console(access, pool_max=1, seconds_max=10.0)
    yield console
    console.close()


# --- writing ------------------------------------------------------------------------------------------------------


async def test_lost_answers_lose_and_double_nothing(access: Access, store: QuestDbMarketStore) -> None:
    """With a third of the answers to writes swallowed, every row is there once, and so is every candle."""
    world = World(store)
    frames = world.framed(market_rows(41, 1_200), frame_rows=30)
    fills = world.decided(SectionKind.FILL, decision_rows(41, SectionKind.FILL, 60))
    with LossyProxy(access, loss=0.33, seed=41) as proxy:
        writer = QuestDbMarketStore(proxy.access, Limits(write_tries_max=50))
        for start in range(0, len(frames), 2):
            await asyncio.to_thread(writer.write_market, frames[start : start + 2])
        await asyncio.to_thread(writer.write_decisions, fills)
        await asyncio.to_thread(writer.set_checkpoint, Checkpoint("epoch", last := world.sequence(), ""))
        await writer.close()
    assert proxy.lost >= 5
    await store.wait_visible(last, candles=True)
    query = MarketQuery(world.source, 1, EVERYTHING)
    wanted = ticks_of(frames)
    assert (await store.ticks(query)).rows.tobytes() == wanted[wanted["instrument"] == 1].tobytes()
    assert_same((await store.candles(query, Interval.M5)).rows, candles_of(wanted, 1, Interval.M5.ns))
    found = await store.decisions(SectionKind.FILL, SessionQuery(world.session, EVERYTHING))
    assert found.rows.tobytes() == decisions_of(fills, SectionKind.FILL).tobytes()


async def test_rows_behind_a_reset_are_kept(store: QuestDbMarketStore) -> None:
    """The first rows written after the store was emptied are there, and only those."""
    world = World(store)
    for seed in range(42, 46):
        frames = world.framed(market_rows(seed, 40, [1]))
        await world.put(frames)
        rows = (await store.ticks(MarketQuery(world.source, 1, EVERYTHING))).rows
        assert rows.tobytes() == ticks_of(frames).tobytes()
        await asyncio.to_thread(store.reset)


async def test_a_server_that_is_away_is_an_operating_error(store: QuestDbMarketStore) -> None:
    """Writing and reading say that the server does not answer, within their bounds, and nothing hangs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = Access(f"http://127.0.0.1:{taken.getsockname()[1]}", "tapedeck", "x")
        away = QuestDbMarketStore(nobody, Limits(write_tries_max=2, write_seconds_max=1.0))
        world = World(store)
        with pytest.raises(ReadModelUnavailable, match=r"did not take \d+ rows of ticks in 2 tries"):
            await asyncio.to_thread(away.write_market, world.framed(market_rows(47, 10)))
        for call in (away.checkpoint, away.create, away.reset):
            with pytest.raises(ReadModelUnavailable, match="does not answer"):
                await asyncio.to_thread(call)
        with pytest.raises(ReadModelUnavailable, match="does not answer"):
            await away.ticks(MarketQuery("s", 1))
        with pytest.raises(ReadModelUnavailable, match="does not answer"):
            await away.wait_visible(1)
        await away.close()


async def test_sessions_of_one_bucket_are_apart(store: QuestDbMarketStore) -> None:
    """Sessions that are looked for in one place are still told apart by their ids."""
    world = World(store)
    first = "session-0"
    second = next(name for name in (f"session-{n}" for n in range(1, 100_000)) if bucket_of(name) == bucket_of(first))
    frames = {
        name: world.decided(SectionKind.FILL, decision_rows(seed, SectionKind.FILL, 20), session=name)
        for seed, name in enumerate((first, second))
    }
    await world.put([*frames[first], *frames[second]])
    for name in (first, second):
        found = await store.decisions(SectionKind.FILL, SessionQuery(name, EVERYTHING))
        assert found.rows.tobytes() == decisions_of(frames[name], SectionKind.FILL).tobytes()


# --- tables in trouble --------------------------------------------------------------------------------------------


async def test_a_suspended_table_is_named(store: QuestDbMarketStore, console: Console) -> None:
    """A table that no longer applies its log is named by health and by who waits for it; resumed, it catches up."""
    world = World(store)
    assert await store.troubles() == []
    console.ask("ALTER TABLE fills SUSPEND WAL WITH 24, 'disk is full'")
    fills = world.decided(SectionKind.FILL, decision_rows(48, SectionKind.FILL, 10))
    await asyncio.to_thread(store.write_decisions, fills)
    await asyncio.to_thread(store.set_checkpoint, Checkpoint("epoch", last := world.sequence(), ""))
    with pytest.raises(ReadModelUnavailable, match=rf"{last} did not come.*fills: disk is full"):
        await store.wait_visible(last, seconds=0.2)
    assert [each.table for each in await store.troubles()] == ["fills"]
    console.ask("ALTER TABLE fills RESUME WAL")
    await store.wait_visible(last)
    found = await store.decisions(SectionKind.FILL, SessionQuery(world.session, EVERYTHING))
    assert len(found.rows) == 10
    assert await store.troubles() == []


async def test_an_invalid_view_is_named(store: QuestDbMarketStore, console: Console) -> None:
    """Views that are no longer refreshed are named, rows stay readable, and emptying the store heals them."""
    world = World(store)
    await world.put(world.framed(market_rows(49, 100)))
    console.ask("TRUNCATE TABLE ticks")
    frames = world.framed(market_rows(50, 100, [1]))
    await asyncio.to_thread(store.write_market, frames)
    await asyncio.to_thread(store.set_checkpoint, Checkpoint("epoch", last := world.sequence(), ""))
    await store.wait_visible(last)
    with pytest.raises(ReadModelUnavailable, match=r"did not come.*candles_1m: invalid: truncate"):
        await store.wait_visible(last, candles=True, seconds=0.2)
    troubles = await store.troubles()
    assert {each.table for each in troubles} == {view.name for view in VIEWS}
    assert Trouble("candles_1m", "invalid: truncate operation") in troubles
    assert len((await store.ticks(MarketQuery(world.source, 1, EVERYTHING))).rows) == len(ticks_of(frames))
    await asyncio.to_thread(store.reset)
    await world.put(frames)
    assert await store.troubles() == []


async def test_a_strange_table_is_refused(store: QuestDbMarketStore, console: Console) -> None:
    """A table of another release is not written to: the error says to rebuild, and that makes it good."""
    await asyncio.to_thread(store.create)
    console.ask("ALTER TABLE quotes ADD COLUMN mood INT")
    columns = "SELECT count() FROM table_columns('quotes') WHERE \"column\" = 'mood'"
    for _ in range(500):  # applied a moment later
        if console.ask(columns) == [(1,)]:
            break
        await asyncio.sleep(0.01)
    with pytest.raises(Conflict, match=r"Table quotes .*tapedeck rebuild"):
        await asyncio.to_thread(store.create)
    await asyncio.to_thread(store.reset)
    await asyncio.to_thread(store.create)


async def test_a_store_that_is_being_built(store: QuestDbMarketStore, console: Console) -> None:
    """Readers that come before the writer has made the tables get a clear answer."""
    console.ask("DROP TABLE equity")
    with pytest.raises(ReadModelUnavailable, match="has no equity yet"):
        await store.ticks(MarketQuery("s", 1))
    console.ask("DROP TABLE checkpoints")
    with pytest.raises(ReadModelUnavailable):
        await store.visible()
    await asyncio.to_thread(store.create)
    assert await store.visible() == 0


async def test_a_rebuild_is_seen_by_other_processes(access: Access, store: QuestDbMarketStore) -> None:
    """A reader of another process does not go on naming the sequence of a store that was emptied."""
    world = World(store)
    last = await world.put(world.framed(market_rows(51, 50)))
    reader = QuestDbMarketStore(access, LIMITS)
    assert await reader.visible() == last
    assert await reader.visible(candles=True) == last
    await asyncio.to_thread(store.reset)
    assert await reader.visible() == 0
    assert await reader.visible(candles=True) == 0
    await reader.close()


def test_a_refused_statement_says_why(console: Console) -> None:
    """The server's own words and the statement are in the error."""
    with pytest.raises(QueryRefused, match=r"table does not exist.*nowhere"):
        console.ask("SELECT * FROM nowhere")


async def test_what_comes_is_counted_when_reads_show_it(store: QuestDbMarketStore) -> None:
    """The time until a message is shown ends when QuestDB has applied it, not when it was taken."""
    script = Script()
    await script.market("sim", ticks(6, 0))
    quick = RunnerSettings(linger_seconds=0.0, refresh_seconds=0.02, poll_seconds=0.005)
    runner = ProjectionRunner(script.tape, [MarketProjection(store)], quick, shown=store.wait_visible)
    await runner.start()
    try:
        await runner.wait_until(1, 20)
        last = await script.market("sim", ticks(6, 0))
        async with asyncio.timeout(20):
            while not sum(runner.latency.took.timing().counts):  # noqa: ASYNC110 - a plain count
                await asyncio.sleep(0.01)
        assert await store.visible() >= last
    finally:
        await runner.close()
    took = runner.latency.took.timing()
    assert (sum(took.counts), took.labels) == (1, (("projection", "market"),))
