"""Contract 001, backtests and the system's tasks: run, list, one, stream; resources, queue and task events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import msgspec

from api.services.backtests import BacktestAsked, body_of
from api.services.jobs import Asked, submit
from api.settings import ApiSettings
from engine.feeds.simulated import SimulatedInstrument, SimulatedMarket
from events.clock import NS_PER_SECOND, from_iso, iso
from projections.read_models.jobs import job
from tests.api.recordings import month_recorded
from tests.api.sse import Events, listening
from tests.api.worlds import World
from tests.documents.shapes import inventory, misfits

ENTRIES = inventory("s1.")
SYMBOL = "LTC_USDT"
# a month, so that every figure of a year is defined
LONG = SimulatedMarket(
    instruments=(SimulatedInstrument(symbol=SYMBOL, price=80.0, trades_per_second=0.005),),
    seed=11,
    duration_s=31 * 86_400,
)
PARAMS = {"fast": 20, "slow": 60, "position_size": 0.5, "stop_loss_pct": 0.02}


async def asked(made: World, **changes: Any) -> dict[str, Any]:
    """A body of the contract's form over half of what is recorded."""
    imported = await month_recorded(made.tape, LONG, "b" * 32)  # the same again appends nothing
    await made.house.lookups.current(made.tape)
    whole = made.house.lookups.shelf.find(imported).whole()
    behind = whole.last_event_ns + 1_000_000
    return {
        "strategy": "ema_cross",
        "symbol": SYMBOL,
        "start_date": iso(whole.first_event_ns),
        "end_date": iso(behind),
        "initial_capital": 10_000.0,
        "params": PARAMS,
    } | changes


async def queue_one(made: World, name: str = "trader", **changes: Any) -> str:
    """Queue a backtest; its id."""
    answer = await made.post("/api/backtests/run", await asked(made, **changes), name)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert misfits(body, _shape_of(body)) == []
    found: str = body["backtest_id"]
    return found


def _shape_of(body: dict[str, Any]) -> Any:
    forms = ENTRIES["s1.backtests.run"]["response_shape"]["$any"]
    return next(form for form in forms if body["status"] in form["status"]["$enum"])


async def over(made: World, name: str, seconds: float = 30.0) -> dict[str, Any]:
    """Wait until a backtest is over; its body."""
    async with asyncio.timeout(seconds):
        while True:
            body: dict[str, Any] = (await made.get(f"/api/backtests/{name}")).json()
            if body["status"] in ("success", "failed"):
                return body
            await asyncio.sleep(0.02)


async def runs_in_background(made: World) -> None:
    """A backtest is queued with its place or runs already; bad input names its field and appends nothing."""
    name = await queue_one(made)
    body = await over(made, name)
    assert (body["status"], body["symbol"]) == ("success", SYMBOL)
    assert body["rows"] > 1_000
    last = await made.last()
    ends = (await asked(made))["end_date"]
    for change, field in (
        ({"strategy": "surely_unknown"}, "strategy"),
        ({"strategy": "MLPredictive", "start_date": "yesterday"}, "start_date"),
        ({"strategy": "MLPredictive", "params": {"position_size": 2}}, "params.position_size"),
        ({"symbol": "DOGE_USDT"}, "symbol"),
        ({"start_date": "yesterday"}, "start_date"),
        ({"end_date": "2025-13-01"}, "end_date"),
        ({"start_date": ends, "end_date": (await asked(made))["start_date"]}, "end_date"),
        ({"start_date": "1999-01-01T00:00:00Z", "end_date": "1999-02-01T00:00:00Z"}, "start_date"),
        ({"initial_capital": 0}, "initial_capital"),
        ({"params": {"fast": 1}}, "params.fast"),
        ({"params": {"model_path": "x"}}, "params.model_path"),
        ({"params": {"position_size": 2}}, "params.position_size"),
        ({"params": {"position_size": 0}}, "params.position_size"),
        ({"params": []}, "params"),
        ({"recording": "nosuch"}, "recording"),
        ({"surely_unknown": 1}, "surely_unknown"),
    ):
        answer = await made.post("/api/backtests/run", await asked(made, **change))
        assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
    documented = await made.post("/api/backtests/run", ENTRIES["s1.backtests.run"]["request_example"])
    assert (documented.status_code, documented.json()["error_code"]) == (501, "LEARNING_NOT_AVAILABLE")
    unknown = await made.post("/api/backtests/run", await asked(made, symbol="DOGE_USDT"))
    assert SYMBOL in unknown.json()["detail"]
    early = await made.post(
        "/api/backtests/run", await asked(made, start_date="1999-01-01T00:00:00Z", end_date="1999-02-01T00:00:00Z")
    )
    assert (await asked(made))["start_date"][:19] in early.json()["detail"]
    assert (await made.client.post("/api/backtests/run", json=await asked(made))).status_code == 401
    assert await made.last() == last


async def lists_results(made: World) -> None:
    """Successes with their figures and failures with their error, newest first; what waits is not among them."""
    first, second = await queue_one(made, seed=1), await queue_one(made, seed=2)
    for name in (first, second):
        await over(made, name)
    await broken(made)
    rows = (await made.get("/api/backtests/")).json()
    forms = ENTRIES["s1.backtests.list"]["response_shape"][0]["$any"]
    for row in rows:
        form = next(one for one in forms if row["status"] in one["status"]["$enum"])
        assert misfits(row, form) == []
    names = [row["id"] for row in rows]
    assert names.index(second) < names.index(first)
    assert {row["status"] for row in rows} == {"success", "failed"}
    assert all(row["error"] for row in rows if row["status"] == "failed")
    good = next(row for row in rows if row["id"] == second)
    assert good["start_date"] <= good["data_start"] < good["data_end"] < good["end_date"]


async def broken(made: World) -> str:
    """A backtest that failed: stopped before it could end."""
    name = await queue_one(made, params={"fast": 3, "slow": 9})
    answer = await made.post(f"/api/jobs/{name}/stop")
    assert answer.status_code == 200, answer.text
    body = await over(made, name)
    if body["status"] == "success":  # it had ended already
        return await broken(made)
    assert body["error"]
    return name


async def gives_one(made: World) -> None:
    """One with all its figures, equal for equal bodies; an unknown id is a 404 in the contract's words."""
    name, again = await queue_one(made, seed=3), await queue_one(made, seed=3)
    body, other = await over(made, name), await over(made, again)
    assert misfits(body, ENTRIES["s1.backtests.get"]["response_shape"]) == []
    assert -1 < body["performance"]["max_drawdown"] <= 0
    trading = body["trading"]
    assert trading["total_trades"] == trading["winning_trades"] + trading["losing_trades"] > 10
    counts = [value for name, value in trading.items() if name.endswith("_trades")]
    assert {type(count) for count in counts} == {int}
    assert trading["avg_loss"] < 0 < trading["avg_win"]
    for key in ("performance", "trading", "decision_hash", "final_equity"):
        assert body[key] == other[key]
    session = (await made.get(f"/api/sessions/{body['session']}")).json()["session"]
    assert session["decision_hash"] == body["decision_hash"]
    assert body["currency"] == "USDT"
    assert body["fees"] == {"maker": 0.001, "taker": 0.001}
    assert body["fees_paid"] > 0
    await tells_its_params(made)
    missing = await made.get("/api/backtests/nosuch")
    assert (missing.status_code, missing.json()["detail"][:18]) == (404, "Backtest not found")
    then = (await made.house.reader.run(lambda snapshot: job(snapshot, name), await _now(made))).value
    before = await made.get(f"/api/backtests/{name}?as_of={then.sequence}")
    assert before.json()["status"] == "queued"


async def tells_its_params(made: World) -> None:
    """The parameters are read back as they were asked, the account's included."""
    params = {"fast": 3, "slow": 9, "position_size": 0.07, "stop_loss_pct": 0.02, "trailing_stop_pct": 0.3}
    name = await queue_one(made, params=params, initial_capital=12_345.67)
    assert (await made.get(f"/api/backtests/{name}")).json()["params"] == params
    await over(made, name)


async def _now(made: World) -> Any:
    return await made.house.reader.moment(None, None)


async def streams_a_backtest(made: World) -> None:
    """The old way: a GET that runs and tells `status` until `complete`; what it cannot run is refused before."""
    body = await asked(made)
    query = {**body, "params": msgspec.json.encode(body["params"]).decode()}
    async with listening(made.app, "/api/backtests/stream", query) as events:
        found = [await events.next()]
        while found[-1][0] == "status":
            assert found[-1][1]["step"] in ("queued", "running")
            found.append(await events.next())
        assert found[-1][0] == "complete"
        assert misfits(found[-1][1], ENTRIES["s1.backtests.get"]["response_shape"]) == []
    last = await made.last()
    foreign = await made.client.get("/api/backtests/stream", params=query, headers={"Sec-Fetch-Site": "cross-site"})
    assert (foreign.status_code, foreign.json()["error_code"]) == (403, "BAD_ORIGIN")  # an image of another page
    assert await made.last() == last
    wrong = await made.client.get("/api/backtests/stream", params=query | {"symbol": "DOGE_USDT"})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "symbol")
    junk = await made.client.get("/api/backtests/stream", params=query | {"params": "{"})
    assert (junk.status_code, junk.json()["field"]) == (400, "params")


async def shows_resources(made: World) -> None:
    """An admin sees machines and everybody's tasks; others their own tasks and no resources."""
    shape = ENTRIES["s1.system.resources"]["response_shape"]
    mine = (await made.get("/api/system/resources", "trader")).json()
    assert misfits(mine, shape) == []
    assert ("resources" in mine, mine["is_admin"]) == (False, False)
    whole = (await made.get("/api/system/resources", "admin")).json()
    assert misfits(whole, shape) == []
    assert whole["is_admin"] is True
    cpu, ram = whole["resources"]["cpu"], whole["resources"]["ram"]
    assert 0 <= cpu["in_use_cores"] <= cpu["available_cores"]
    assert abs(ram["total_gb"] - ram["available_gb"] - ram["in_use_gb"]) < 0.02  # each is rounded
    assert ram["total_gb"] > 0
    assert whole["resources"]["machines"][0]["job_cores"] == 2.0
    assert (await made.get("/api/system/resources")).status_code == 401


async def shows_only_resources_to_admins(made: World) -> None:
    """The machines alone; whoever is no admin is answered 401 (C13)."""
    answer = await made.get("/api/system/resources-only", "admin")
    assert misfits(answer.json(), ENTRIES["s1.system.resources_only"]["response_shape"]) == []
    for name in ("trader", "viewer", ""):
        assert (await made.get("/api/system/resources-only", name)).status_code == 401


async def shows_the_queue(made: World) -> None:
    """What runs and what waits, with its place among all; others do not see it."""
    async with busy(made) as names:
        mine = (await made.get("/api/system/queue", "trader")).json()
        assert misfits(mine, ENTRIES["s1.system.queue"]["response_shape"]) == []
        waiting = {one["task_id"]: one["queue_position"] for one in mine["queued_tasks"]}
        assert waiting[names[-1]] == max(waiting.values()) >= 1
        running = [one for one in mine["running_tasks"] if one["task_id"] in names]
        assert running[0]["description"] == f"Running backtest for {SYMBOL}..."
        theirs = (await made.get("/api/system/queue", "viewer")).json()
        assert (theirs["running_count"], theirs["queued_count"]) == (0, 0)
        everybody = (await made.get("/api/system/queue", "admin")).json()
        assert everybody["queued_count"] >= mine["queued_count"] >= 1
        refused = await made.post(f"/api/jobs/{names[0]}/stop", name="admin")
        assert refused.status_code == 200
    assert (await made.get("/api/system/queue")).status_code == 401


@asynccontextmanager
async def busy(made: World) -> AsyncIterator[list[str]]:
    """Two paced backtests that run and one that waits, stopped at the end."""
    body = body_of(msgspec.convert(await asked(made), BacktestAsked))
    slow = msgspec.structs.replace(body, wish=msgspec.structs.replace(body.wish, acceleration=1.0))
    title = f"Running backtest for {SYMBOL}..."
    names = [(await submit(made.house, "trader", None, Asked("backtest", slow, title))).id for _ in range(3)]
    while True:  # the test's own limit ends it
        if (await made.get("/api/system/queue", "trader")).json()["running_count"] >= 2:
            break
        await asyncio.sleep(0.02)
    try:
        yield names
    finally:
        for name in names:
            await made.post(f"/api/jobs/{name}/stop")


async def tells_the_state_first(made: World) -> None:
    """The first event is the state, of one's own tasks; a token stands in the query or in the header."""
    token = made.token("trader")
    async with busy(made) as names, listening(made.app, "/api/system/task-events", {"token": token}) as events:
        name, body = await events.next()
        assert name == "initial_state"
        assert misfits(body, ENTRIES["s1.system.task_events.initial_state"]["response_shape"]) == []
        assert names[-1] in [one["task_id"] for one in body["data"]["queued_tasks"]]
    assert (await made.client.get("/api/system/task-events")).status_code == 401
    assert (await made.client.get("/api/system/task-events?token=junk")).status_code == 401


async def tells_the_life_of_a_task(made: World) -> None:
    """Queued, running, completed, in this order; other users hear nothing of it, an admin does."""
    heard: dict[str, list[tuple[str, Any]]] = {}
    async with (
        listening(made.app, "/api/system/task-events", {"token": made.token("trader")}) as own,
        listening(made.app, "/api/system/task-events", headers=made.bearer("viewer")) as other,
        listening(made.app, "/api/system/task-events", headers=made.bearer("admin")) as admin,
    ):
        for events in (own, other, admin):
            assert (await events.next())[0] == "initial_state"
        name = await queue_one(made, seed=5)
        for key, events in (("own", own), ("admin", admin)):
            heard[key] = await _until_completed(events, name)
        assert other.waiting(but="heartbeat") == []
    for key in ("own", "admin"):
        kinds = [kind for kind, _ in heard[key] if kind != "task_description_update"]
        assert kinds == ["task_queued", "task_running", "task_completed"]
        for kind, body in heard[key]:
            assert misfits(body, ENTRIES[f"s1.system.task_events.{kind}"]["response_shape"]) == []


async def _until_completed(events: Events, name: str) -> list[tuple[str, Any]]:
    found = []
    while not found or found[-1][0] != "task_completed":
        kind, body = await events.next()
        if kind != "heartbeat" and body["data"]["task_id"] == name:
            found.append((kind, body))
    return found


async def tells_how_far_a_task_is(made: World) -> None:
    """A task that takes long is described anew as it goes on."""
    async with listening(made.app, "/api/system/task-events", headers=made.bearer("trader")) as events, busy(made):
        while True:
            kind, body = await events.next()
            if kind == "task_description_update":
                shape = ENTRIES["s1.system.task_events.task_description_update"]["response_shape"]
                assert misfits(body, shape) == []
                break


async def beats(made: World) -> None:
    """A heartbeat every five seconds, here as often as it is set, for an admin with the resources."""
    assert ApiSettings().heartbeat_seconds == 5.0
    every = made.house.settings.api.heartbeat_seconds
    shape = ENTRIES["s1.system.task_events.heartbeat"]["response_shape"]
    for name in ("admin", "viewer"):
        times: list[int] = []
        async with listening(made.app, "/api/system/task-events", headers=made.bearer(name)) as events:
            while len(times) < 4:
                kind, body = await events.next()
                if kind == "heartbeat":
                    times.append(from_iso(body["timestamp"]))
                    assert misfits(body, shape) == []
                    assert ("resources" in body, body["is_admin"]) == (name == "admin", name == "admin")
        apart = sorted((after - before) / NS_PER_SECOND for before, after in pairwise(times))
        assert 0.9 * every <= apart[1] <= 5 * every, apart  # the one in the middle: a busy machine makes one late


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s1.backtests.run": runs_in_background,
    "s1.backtests.list": lists_results,
    "s1.backtests.get": gives_one,
    "s1.backtests.stream": streams_a_backtest,
    "s1.system.resources": shows_resources,
    "s1.system.resources_only": shows_only_resources_to_admins,
    "s1.system.queue": shows_the_queue,
    "s1.system.task_events": tells_the_life_of_a_task,
    "s1.system.task_events.initial_state": tells_the_state_first,
    "s1.system.task_events.task_queued": tells_the_life_of_a_task,
    "s1.system.task_events.task_running": tells_the_life_of_a_task,
    "s1.system.task_events.task_completed": tells_the_life_of_a_task,
    "s1.system.task_events.task_description_update": tells_how_far_a_task_is,
    "s1.system.task_events.heartbeat": beats,
}
