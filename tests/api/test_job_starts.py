"""Sweeps and Monte Carlo simulations over HTTP: asked for, watched, read, stopped; every wrong field is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from engine.jobs import work
from engine.research import montecarlo
from events.clock import iso
from tests.api.asgi_socket import connected
from tests.api.recordings import simulated_recording
from tests.api.sse import listening
from tests.api.test_jobs import until
from tests.api.worlds import World, until_state, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRID = {"fast": [5, 10, 60], "slow": [20, 50]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with a worker of two cores and a recording of an hour."""
    async with world(tmp_path_factory.mktemp("job-starts"), engine=True) as found:
        await simulated_recording(found.tape)
        await found.caught_up()
        yield found


async def asked(made: World, **changes: Any) -> dict[str, Any]:
    """A sweep of the whole hour."""
    await made.house.lookups.current(made.tape)
    (recording,) = made.house.lookups.shelf.recordings.values()
    whole = recording.whole()
    body = {
        "strategy": "ema_cross",
        "symbol": "BTC_USDT",
        "start_date": iso(whole.first_event_ns),
        "end_date": iso(whole.last_event_ns + 1_000),
        "initial_capital": 1_000.0,
        "grid": GRID,
    }
    return body | changes


async def test_a_sweep_is_watched_and_read(made: World) -> None:
    """The receipt names the job; its task events come as any job's; the result ranks the sets that are allowed."""
    async with listening(made.app, "/api/system/task-events", headers=made.bearer("trader")) as events:
        await events.next()
        answer = await made.post("/api/jobs/sweep", await asked(made, objective="return", top=3))
        assert answer.status_code == 200, answer.text
        name = answer.json()["job"]
        kinds = []
        while "task_completed" not in kinds:
            kind, told = await events.next()
            if kind != "heartbeat" and told["data"]["task_id"] == name:
                kinds.append(kind)
                assert told["data"].get("task_type", "sweep") == "sweep"
    assert kinds[:2] == ["task_queued", "task_running"]
    found = await until(made, name, "completed")
    result = found["result"]
    # of six sets four: a fast average is shorter than a slow one
    assert (result["runs"], len(result["best"]), result["sessions"]) == (4, 3, [name])
    gains = [one["return_ratio"] for one in result["best"]]
    assert gains == sorted(gains, reverse=True)
    best = result["best"][0]
    params = {name: best["params"][name] for name in GRID}
    body = await asked(made, params=params)
    del body["grid"]
    same = (await made.post("/api/backtests/run", body)).json()["backtest_id"]
    done = await until(made, same, "completed")
    assert done["result"]["decision_hash"] == best["decision_hash"]


async def watched(made: World, path: str, body: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What a socket is told of a job that is asked for: its progress, and its end."""
    async with connected(made.app) as socket:
        job = (await made.post(path, body)).json()["job"]
        await socket.send({"type": "subscribe", "channel": "backtest", "jobId": job})
        told = []
        while (message := await socket.receive(20))["type"] == "job_progress":
            told.append(message["data"])
    assert {one["jobId"] for one in told} == {job}
    assert (message["type"], message["data"]["jobId"]) == ("job_complete", job)
    percents = [one["percent"] for one in told]
    assert 0 <= percents[0] <= percents[-1] <= 100
    assert percents == sorted(percents)
    return told, message["data"]["result"]


async def test_sweeps_and_simulations_are_told_on_the_socket(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done and its percentage, of a sweep the runs that are under way; then the end with the result."""
    monkeypatch.setattr(work, "FOLLOW_SECONDS", 0.02)
    many = {"fast": list(range(2, 18)), "slow": list(range(50, 60))}
    told, result = await watched(made, "/api/jobs/sweep", await asked(made, grid=many))
    runs = {(one["kind"], one["firstRun"], one["lastRun"], one["totalRuns"], one["description"]) for one in told}
    assert ("sweep", 129, 160, 160, "Runs 129 to 160 of 160") in runs
    assert result["runs"] == 160
    body = await asked(made, params={"fast": 5, "slow": 20})
    del body["grid"]
    session = (await made.post("/api/backtests/run", body)).json()["backtest_id"]
    await until(made, session, "completed")
    monkeypatch.setattr(montecarlo, "CELLS_HELD_MAX", 100)  # many small parts
    told, result = await watched(made, "/api/jobs/montecarlo", {"session": session, "simulations": 10_000})
    assert ("montecarlo", "Makes 10,000 simulations") in {(one["kind"], one["description"]) for one in told}
    assert 0 < told[-1]["percent"] <= 100
    assert result["monteCarlo"]["simulations"] == 10_000


async def test_a_sweep_is_asked_for_once_under_one_key(made: World) -> None:
    """The same key is the same job; of a configured strategy the kind and parameters of now are tried."""
    body = await asked(made)
    first = await made.post("/api/jobs/sweep", body, **{"Idempotency-Key": "one"})
    again = await made.post("/api/jobs/sweep", body, **{"Idempotency-Key": "one"})
    assert first.json()["job"] == again.json()["job"]
    await until(made, first.json()["job"], "completed")
    form = {"name": "Slow", "type": "ema_cross", "params": {"symbols": ["BTC_USDT"], "fast": 5, "slow": 40}}
    mine = (await made.post("/api/strategies/", form)).json()["id"]
    name = (await made.post("/api/jobs/sweep", await asked(made, strategy=mine, grid={"fast": [5, 10]}))).json()["job"]
    result = (await until(made, name, "completed"))["result"]
    assert {one["params"]["slow"] for one in result["best"]} == {40}


async def test_a_running_sweep_stops(made: World) -> None:
    """Its session stops with it, and there is no result."""
    many = {"fast": list(range(2, 42)), "slow": list(range(50, 150))}
    name = (await made.post("/api/jobs/sweep", await asked(made, grid=many))).json()["job"]
    await until_state(made, name, "running", "completed")
    assert (await made.post(f"/api/jobs/{name}/stop")).json()["changed"] is True
    found = await until(made, name, "stopped")
    assert found["result"] is None


async def test_simulations_of_a_session(made: World) -> None:
    """By trades and by blocks of returns; the same seed gives the same figures, another seed others."""
    body = await asked(made, params={"fast": 5, "slow": 20})
    del body["grid"]
    session = (await made.post("/api/backtests/run", body)).json()["backtest_id"]
    await until(made, session, "completed")
    results = []
    for changes in ({}, {}, {"seed": 9}, {"method": "returns", "block": 5}):
        answer = await made.post("/api/jobs/montecarlo", {"session": session, "simulations": 500, **changes})
        assert answer.status_code == 200, answer.text
        results.append((await until(made, answer.json()["job"], "completed"))["result"]["monte_carlo"])
    one, same, other, blocks = results
    assert one == same != other
    assert (one["method"], blocks["method"], blocks["block"]) == ("trades", "returns", 5)
    assert one["final_equity"]["percentile5"] < one["final_equity"]["median"] < one["final_equity"]["percentile95"]
    assert 0.0 <= blocks["probability_of_profit"] <= 1.0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"strategy": "nosuch"}, "strategy"),
        ({"symbol": "DOGE_USDT"}, "symbol"),
        ({"recording": "nosuch"}, "recording"),
        ({"start_date": "soon"}, "start_date"),
        ({"grid": {}}, "grid"),
        ({"grid": {"nosuch": [1]}}, "grid"),
        ({"grid": {"fast": [60], "slow": [20]}}, "grid"),
        ({"grid": {"fast": list(range(2, 66)), "slow": list(range(70, 134)), "x": [1, 2, 3]}}, "grid"),
        ({"objective": "luck"}, "objective"),
        ({"top": 0}, "top"),
        ({"surely": 1}, "surely"),
    ],
)
async def test_what_is_wrong_of_a_sweep_is_named(made: World, change: dict[str, Any], field: str) -> None:
    """And nothing is appended."""
    last = await made.last()
    answer = await made.post("/api/jobs/sweep", await asked(made, **change))
    assert answer.status_code == 400, answer.text
    assert field in answer.text
    assert await made.last() == last


async def test_what_cannot_be_simulated_is_refused(made: World) -> None:
    """An unknown session, one that goes on, a sweep; nothing is appended."""
    name = (await made.post("/api/jobs/sweep", await asked(made))).json()["job"]
    await until(made, name, "completed")
    last = await made.last()
    for body, status in (
        ({"session": "nosuch"}, 404),
        ({"session": name}, 409),
        ({"session": name, "method": "luck"}, 400),
        ({"session": name, "simulations": 10_001}, 400),
        ({}, 400),
    ):
        answer = await made.post("/api/jobs/montecarlo", body)
        assert answer.status_code == status, answer.text
    assert await made.last() == last
