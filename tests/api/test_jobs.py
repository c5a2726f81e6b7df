"""Jobs over HTTP: one's own, listed, read as of before, stopped; asked for once under one key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import numpy as np
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from api.services.jobs import Asked, submit
from engine import catalogue
from engine.jobs.backtest import BacktestBody
from engine.sessions.plan import SessionWish, StrategyWish
from events import codec, frames, subjects
from events.clock import iso
from events.errors import InvalidInput
from events.facts import Place, RecordingCompleted
from events.facts.jobs import JobClaimed, JobCompleted, JobQueued
from events.frames import Section
from events.rows import BAR_DTYPE, SectionKind
from events.tape import Append
from tests.api.asgi_socket import connected
from tests.api.recordings import MARKET, LiveSource, simulated_recording
from tests.api.sse import listening
from tests.api.worlds import World, until_state, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECORDING = "rec_" + "a" * 16
HOUR_NS = 3_600_000_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with a worker of two cores and a recording of an hour."""
    async with world(tmp_path_factory.mktemp("jobs"), engine=True) as found:
        await simulated_recording(found.tape)
        await found.caught_up()
        yield found


def body(acceleration: float = 0.0, **changes: Any) -> BacktestBody:
    """A backtest of the whole hour."""
    strategies = (StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),)
    wish = SessionWish(mode="backtest", recording=RECORDING, strategies=strategies, acceleration=acceleration)
    return BacktestBody(wish=msgspec.structs.replace(wish, **changes))


async def begin(made: World, user: str = "trader", key: str | None = None, acceleration: float = 0.0) -> str:
    """Ask for a backtest; its id."""
    done = await submit(made.house, user, key, Asked("backtest", body(acceleration), "an hour again"))
    return done.id


async def until(made: World, name: str, *states: str) -> dict[str, Any]:
    """Wait until a job is in one of these states; its body."""
    async with asyncio.timeout(30):
        while True:
            answer = await made.get(f"/api/jobs/{name}", "admin")
            assert answer.status_code in (200, 404), answer.text  # 404 until the read model shows it
            if answer.status_code == 200 and answer.json()["job"]["state"] in states:
                found: dict[str, Any] = answer.json()
                return found
            await asyncio.sleep(0.02)


async def test_a_job_is_asked_for_once_under_one_key(made: World) -> None:
    """The same key gives the same job, and it is done once; another user's key is another job."""
    first, again = await begin(made, key="once"), await begin(made, key="once")
    other = await begin(made, user="admin", key="once")
    assert first == again != other
    done = await until(made, first, "completed")
    assert done["job"]["claim"] == 1
    assert done["result"]["session"] == first
    assert (await until_state(made, first, "completed"))["research"] is True


async def test_jobs_are_listed_to_their_owner_and_to_admins(made: World) -> None:
    """A list shows one's own, an admin's everybody's; somebody else's job is not there, and cannot be stopped."""
    name = await begin(made, user="admin")
    await until(made, name, "completed")
    assert name in [one["job"] for one in (await made.get("/api/jobs", "admin")).json()["rows"]]
    assert name not in [one["job"] for one in (await made.get("/api/jobs?limit=1000", "trader")).json()["rows"]]
    assert (await made.get(f"/api/jobs/{name}", "trader")).status_code == 404
    assert (await made.post(f"/api/jobs/{name}/stop", name="trader")).status_code == 404
    missing = await made.get("/api/jobs/nosuch", "admin")
    assert (missing.status_code, missing.json()["field"]) == (404, "job")
    wrong = await made.get("/api/jobs?state=gone", "trader")
    assert (wrong.status_code, wrong.json()["field"]) == (400, "state")


async def test_a_stop_breaks_off_job_and_session(made: World) -> None:
    """A stopped job has no result and its session stops; stopping it again changes nothing; it was running before."""
    name = await begin(made, acceleration=1.0)
    running = (await until(made, name, "running"))["job"]
    await until_state(made, name, "running")
    answer = await made.post(f"/api/jobs/{name}/stop")
    assert answer.json() == {"job": name, "changed": True}
    found = (
        await made.get(f"/api/jobs/{name}", "trader", **{"Tape-Min-Sequence": answer.headers["Tape-Sequence"]})
    ).json()
    assert (found["job"]["state"], found["result"]) == ("stopped", None)
    assert (await until_state(made, name, "stopped"))["reason"] == "stopped"
    assert (await made.post(f"/api/jobs/{name}/stop")).json()["changed"] is False
    before = (await made.get(f"/api/jobs/{name}?as_of={running['changed_at']}", "trader")).json()
    assert (before["job"]["state"], before["job"]["worker"]) == ("running", "worker-1")


async def test_sockets_hear_nothing_of_jobs_and_forks_unasked(made: World) -> None:
    """A session of a job, also one that began unheard, and a fork are broadcast to nobody; one's own backtest is."""
    early = await begin(made, acceleration=1.0)
    await until_state(made, early, "running")
    async with connected(made.app) as socket:
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"
        name = await begin(made)
        await until(made, name, "completed")
        await made.post(f"/api/jobs/{early}/stop")
        await until_state(made, early, "stopped")
        fork = (await made.post(f"/api/sessions/{name}/fork", {})).json()["session"]
        await until_state(made, fork, "completed")
        own = {"mode": "backtest", "recording": RECORDING, "strategies": [{"strategy": "ema_cross"}]}
        session = (await made.post("/api/sessions", own)).json()["session"]
        for kind in ("session_started", "session_stopped"):
            told = await socket.receive(30)
            of = {"session_id": session, "session_type": "backtest", "user": "trader"}
            assert (told["type"], told["data"] | of) == (kind, told["data"])


async def test_a_range_that_ends_before_it_begins_is_refused_for_good(made: World) -> None:
    """What a worker cannot plan fails the job with the reason; it is not tried for ever."""
    done = await submit(made.house, "trader", None, Asked("backtest", body(symbols=("DOGE_USDT",)), "no such symbol"))
    failed = (await until(made, done.id, "failed"))["job"]
    assert failed["error_code"] == InvalidInput.code
    assert "DOGE_USDT" in failed["error_message"]
    assert failed["claim"] == 1


async def test_a_configured_strategy_is_backtested_by_its_id(made: World) -> None:
    """The flow of a front end: configure a strategy, queue two backtests of it, watch them, read what they came to."""
    shelf = made.house.lookups.shelf
    whole = shelf.find(RECORDING).whole()
    strategy = {"name": "Crossings", "type": "ema_cross", "params": {"symbols": ["BTC_USDT"], "fast": 5, "slow": 20}}
    configured = (await made.post("/api/strategies/", strategy)).json()["id"]
    wanted = {
        "strategy": configured,
        "symbol": "BTC_USDT",
        "start_date": iso(whole.first_event_ns),
        "end_date": iso(whole.last_event_ns + 1_000),
    }
    async with listening(made.app, "/api/system/task-events", headers=made.bearer("trader")) as events:
        await events.next()
        names = {(await made.post("/api/backtests/run", wanted)).json()["backtest_id"] for _ in range(2)}
        assert len(names) == 2
        over: set[str] = set()
        while over != names:
            kind, found = await events.next()
            if kind == "task_completed" and found["data"]["task_id"] in names:
                assert found["data"]["status"] == "completed", found
                over.add(found["data"]["task_id"])
    listed = {one["id"]: one for one in (await made.get("/api/backtests/")).json()}
    one, other = (listed[name] for name in names)
    assert one["strategy"] == other["strategy"] == configured
    assert one["trading"] == other["trading"]
    session = (await made.get(f"/api/sessions/{one['id']}")).json()
    (setting,) = session["spec"]["strategies"]
    assert (setting["strategy"], setting["params"]["fast"]) == ("ema_cross", 5)


async def test_a_result_of_another_version_hides_no_others(made: World) -> None:
    """Its row says so, with the sequence, which the log has too; asked for alone it is a named 503, never a 500."""
    good = await begin(made)
    await until(made, good, "completed")
    asked = msgspec.Raw(msgspec.json.encode(body()))
    for name, result in (("strange", b'{"from":"elsewhere"}'), ("odd", b"[1]")):
        facts = (
            JobQueued(job=name, kind="backtest", body=asked, user="trader"),
            JobClaimed(job=name, worker="w", epoch=1),
            JobCompleted(job=name, epoch=1, result=msgspec.Raw(result), completed_ns=1),
        )
        places = await made.tape.append_atomic(
            [codec.to_append(fact, subjects.job(name), f"{name}:{at}") for at, fact in enumerate(facts)]
        )
    await made.caught_up()
    with capture_logs() as lines:
        rows = {one["resultId"]: one for one in (await made.get("/api/v1/backtest/results")).json()["data"]["results"]}
        plain = {one["id"]: one for one in (await made.get("/api/backtests/")).json()}
    assert rows[good]["summary"]["totalTrades"] > 0
    assert f"sequence {places[-1]}" in rows["odd"]["error"]
    assert rows["odd"]["summary"] == dict.fromkeys(rows[good]["summary"])
    assert (plain["odd"]["status"], plain[good]["status"]) == ("failed", "success")
    told = [(one["job"], one["sequence"]) for one in lines if one["event"] == "job_unreadable"]
    assert told.count(("odd", places[-1])) == 2
    assert {one["resultId"] for one in (await _filtered(made))} == {good}
    for path in ("/api/v1/backtest/results/odd", "/api/backtests/odd"):
        answer = await made.get(path)
        assert (answer.status_code, str(places[-1]) in answer.text) == (503, True), answer.text


async def _filtered(made: World) -> list[dict[str, Any]]:
    """Results of one symbol, as the newest few have it."""
    rows = (await made.get("/api/v1/backtest/results?symbol=BTC_USDT,%20ETH_USDT")).json()["data"]["results"]
    return rows[:1]


async def test_a_listener_that_does_not_keep_up_is_let_go(made: World) -> None:
    """A client whose queue is full ends; others hear everything."""
    feed = made.house.jobs
    slow = feed.join()
    slow._queue_max = 1
    async with listening(made.app, "/api/system/task-events", headers=made.bearer("admin")) as events:
        await events.next()
        name = await begin(made)
        kinds = []
        while "task_completed" not in kinds:
            kind, found = await events.next()
            if kind != "heartbeat" and found["data"]["task_id"] == name:
                kinds.append(kind)
        assert kinds[:2] == ["task_queued", "task_running"]
    assert slow.over
    assert await slow.next(0.1) is None
    feed.leave(slow)
    assert feed.clients == 0


async def hourly_recording(made: World) -> RecordingCompleted:
    """Thirty hours of one currency pair, in bars of an hour."""
    await LiveSource(made.tape, ("EURUSD",), "fx-hours", "FX").open()
    rows = np.zeros(30, BAR_DTYPE)
    rows["ts_event_ns"] = HOUR_NS * np.arange(480_000, 480_030)
    rows["ts_received_ns"] = rows["ts_event_ns"] + HOUR_NS
    rows["open"], rows["high"], rows["low"], rows["close"] = 1.1, 1.3, 1.0, 1.2
    rows["volume"], rows["interval_ns"] = 2.0, HOUR_NS
    rows["instrument"] = (await catalogue.load(made.tape)).find("EURUSD").number
    body = frames.encode([Section(SectionKind.BAR, rows)])
    sequence = await made.tape.append(Append(subjects.market("fx-hours"), body, "fx-hours:bars"))
    fact = RecordingCompleted(
        recording="rec-fx-hours",
        rows=len(rows),
        first=Place(sequence, 0),
        last=Place(sequence, len(rows) - 1),
        first_event_ns=int(rows["ts_event_ns"][0]),
        last_event_ns=int(rows["ts_event_ns"][-1]),
        content_hash="0",
    )
    await made.tape.append(codec.to_append(fact, subjects.recording("rec-fx-hours"), "fx-hours:completed"))
    await made.caught_up()
    return fact


async def test_a_timeframe_is_not_taken_without_effect(made: World) -> None:
    """Over bars of an hour a backtest on shorter ones is refused with what there is, and on longer ones it runs."""
    whole = await hourly_recording(made)
    last = await made.last()
    for path in ("backtest", "walkforward"):
        wrong = await made.post(f"/api/v1/{path}/run", {"symbol": "EURUSD", "timeframe": "15m"})
        assert (wrong.status_code, list(wrong.json()["error"]["details"])) == (400, ["timeframe"]), wrong.text
        assert "bars of 1h: no bars of 15m" in wrong.text
    assert await made.last() == last
    for timeframe in ("1h", "4h"):
        right = await made.post("/api/v1/backtest/run", {"symbol": "EURUSD", "timeframe": timeframe})
        assert right.status_code == 201, right.text
    for timeframe, status in (("5m", 400), ("1h", 200), ("1d", 200)):
        form = {"name": f"Of {timeframe}", "type": "ema_cross", "params": {"timeframe": timeframe}}
        wanted = {
            "strategy": (await made.post("/api/strategies/", form)).json()["id"],
            "symbol": "EURUSD",
            "start_date": iso(whole.first_event_ns),
            "end_date": iso(whole.last_event_ns),
        }
        answer = await made.post("/api/backtests/run", wanted)
        assert answer.status_code == status, answer.text
        assert status == 200 or answer.json()["field"] == "strategy"


async def test_what_a_job_runs_is_fixed_when_it_is_asked_for(made: World) -> None:
    """A strategy that is changed and removed, and an import, while the job waits: it runs what was asked for."""
    busy = [await begin(made, acceleration=1.0) for _ in range(2)]
    for name in busy:
        await until(made, name, "running")
    form = {"name": "Fixed", "type": "ema_cross", "params": {"symbols": ["BTC_USDT"], "fast": 7, "slow": 21}}
    configured = (await made.post("/api/strategies/", form)).json()["id"]
    whole = made.house.lookups.shelf.find(RECORDING).whole()
    wanted = {
        "strategy": configured,
        "symbol": "BTC_USDT",
        "start_date": iso(whole.first_event_ns),
        "end_date": iso(whole.last_event_ns + 1_000),
    }
    receipt = (await made.post("/api/backtests/run", wanted)).json()
    assert (receipt["status"], receipt["queue_position"]) == ("queued", 1)
    name = receipt["backtest_id"]
    changed = {"params": {**form["params"], "fast": 3}}  # type: ignore[dict-item]
    headers = {**made.bearer("trader", csrf=True), "Content-Type": "application/json"}
    path = f"/api/strategies/{configured}"
    assert (await made.client.put(path, content=msgspec.json.encode(changed), headers=headers)).status_code == 200
    assert (await made.client.delete(path, headers=headers)).status_code == 200
    newer = await simulated_recording(made.tape, msgspec.structs.replace(MARKET, seed=8), "e" * 32)
    assert newer != RECORDING
    for other in busy:
        await made.post(f"/api/jobs/{other}/stop")
    assert (await until(made, name, "completed", "failed"))["job"]["error_message"] == ""
    shown = (await made.get(f"/api/backtests/{name}")).json()
    assert (shown["strategy"], shown["params"], shown["recording"]) == (configured, {"fast": 7, "slow": 21}, RECORDING)
    spec = (await made.get(f"/api/sessions/{name}")).json()["spec"]
    assert spec["strategies"][0]["params"].items() >= shown["params"].items()
    assert (spec["strategies"][0]["configured"], spec["input"]["recording"]) == (configured, RECORDING)
