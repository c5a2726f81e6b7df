"""Collect sessions beside others on one source: each is a recording of its own, replayed once it has stopped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from engine.feeds.hashing import content_hash
from engine.recordings.recorder import Recorder
from events import subjects
from events.facts import RecordingOpened
from events.rows import Rows
from tests.api.recordings import LiveSource, ticks
from tests.api.worlds import World, until_state, world
from tests.engine.sessions.memory_house import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

EMA = {"strategy_config": {"strategies": ["ema_cross"]}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[World, LiveSource]]:
    """A house with a live source of two symbols that a paper session trades all the time."""
    async with world(tmp_path_factory.mktemp("collecting"), engine=True) as made:
        source = LiveSource(made.tape)
        await source.open()
        await made.caught_up()
        await begun(made, "paper", "ETH_USDT", EMA)
        yield made, source


async def begun(made: World, mode: str, symbol: str, more: dict[str, Any]) -> str:
    """Start a session; its id, once it runs."""
    answer = await made.post("/sessions/start", {"session_type": mode, "symbols": [symbol]} | more)
    assert answer.status_code == 200, answer.text
    session = str(answer.json()["data"]["data"]["session_id"])
    await until_state(made, session, "running", "completed")
    return session


async def collected(made: World, source: LiveSource, rows: list[Rows]) -> str:
    """A collect session of BTC_USDT over these rows; its id, once it has stopped."""
    session = await begun(made, "collect", "BTC_USDT", {})
    for each in rows:
        await source.give(each)
    await made.post("/sessions/stop", {"session_id": session})
    await until_state(made, session, "stopped")
    await made.caught_up()
    return session


async def listed(made: World, session: str) -> dict[str, Any]:
    """The row of a recorded session."""
    rows = (await made.get("/api/data-collection/sessions")).json()["sessions"]
    [found] = [one for one in rows if one["session_id"] == session]
    return dict(found)


async def test_what_was_collected_beside_others_is_replayed_by_its_id(live: tuple[World, LiveSource]) -> None:
    """The recording has the rows of its symbol from its start to its stop, while the source runs on."""
    made, source = live
    await source.give(ticks(50))
    session = await collected(made, source, [ticks(100, 100), ticks(200, 300)])
    await source.give(ticks(50, 700))
    row = await listed(made, session)
    assert (row["status"], row["symbols"], row["records_collected"]) == ("completed", ["BTC_USDT"], 300)
    assert row["data_types"] == ["tick_prices"]
    kept = made.house.lookups.shelf.recordings[session].whole()
    mine = [rows[rows["instrument"] == 1] for rows in (ticks(100, 100), ticks(200, 300))]
    assert kept.content_hash == content_hash(mine)
    replayed = await begun(made, "backtest", "BTC_USDT", EMA | {"config": {"session_id": session}})
    ended = await until_state(made, replayed, "completed")
    assert ended["recording"] == session
    paper = await begun(made, "paper", "ETH_USDT", EMA)  # the source has all of its symbols still
    await until_state(made, paper, "running")


async def test_it_is_listed_with_its_rows_while_it_runs(live: tuple[World, LiveSource]) -> None:
    """From the start on, with the rows of its symbols so far, also when the source falls silent; as of then as well."""
    made, source = live
    session = await begun(made, "collect", "BTC_USDT", {})
    await made.caught_up()
    row, started = await listed(made, session), await made.last()
    shown = {name: row[name] for name in ("status", "symbols", "data_types", "end_time", "duration")}
    known = {"status": "running", "symbols": ["BTC_USDT"], "data_types": ["tick_prices"]}
    assert shown == known | {"end_time": None, "duration": None}
    assert (row["records_collected"], row["source"], row["start_time"][-1]) == (0, "live", "Z")
    await source.give(ticks(70, 3_000))
    await source.give(ticks(50, 3_100))

    async def told() -> bool:
        return bool((await listed(made, session))["records_collected"] >= 120)

    await until(told)
    assert (await listed(made, session))["records_collected"] == 120
    then = (await made.get(f"/api/data-collection/sessions?as_of={started}")).json()["sessions"]
    assert [one["records_collected"] for one in then if one["session_id"] == session] == [0]
    await made.post("/sessions/stop", {"session_id": session})
    await until_state(made, session, "stopped")
    await made.caught_up()
    row = await listed(made, session)
    assert (row["status"], row["records_collected"]) == ("completed", 120)


async def test_one_that_met_no_row_of_its_symbols_says_so(live: tuple[World, LiveSource]) -> None:
    """Nothing came, or of other symbols only: it failed, and is not replayed."""
    made, source = live
    rows = ticks(10, 2_000)
    session = await collected(made, source, [rows[rows["instrument"] == 2]])
    assert (await listed(made, session))["status"] == "failed"
    body = {"session_type": "backtest", "symbols": ["BTC_USDT"]} | EMA | {"config": {"session_id": session}}
    assert (await made.post("/sessions/start", body)).status_code == 409


async def test_a_running_source_shows_its_rows(live: tuple[World, LiveSource]) -> None:
    """While its recording is open; those on the tape, told now and then, and all of them at its end."""
    made, _ = live
    opened = RecordingOpened(
        recording="rec-told",
        source="told",
        origin="simulated",
        description="",
        instruments=(1, 2),
        symbols=("BTC_USDT", "ETH_USDT"),
        kinds=("trade",),
    )
    recorder = Recorder(made.tape, made.clock, opened, progress_seconds=0.05)
    await recorder.open()
    await recorder.put(ticks(40))

    async def told() -> bool:
        await made.caught_up()
        return bool((await listed(made, "rec-told"))["records_collected"] == 80)

    await until(told)
    assert (await listed(made, "rec-told"))["status"] == "running"
    await recorder.put(ticks(5, 50))
    await recorder.complete()
    await made.caught_up()
    row = await listed(made, "rec-told")
    assert (row["status"], row["records_collected"]) == ("completed", 90)
    messages = [one async for one in made.tape.read(1, subjects=(subjects.recording_progress("rec-told"),))]
    assert len(messages) <= 2  # nothing is told again
