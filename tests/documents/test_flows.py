"""The flows of the five documents from end to end, as their clients go through them; one house, limits as they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from api.services.backtests import BacktestAsked, body_of
from api.services.jobs import Asked, submit
from api.settings import LimitsSettings
from engine.jobs import work
from engine.jobs.queue import Room
from tests.api.asgi_socket import Socket, connected
from tests.api.recordings import LiveSource, simulated_recording
from tests.api.sse import Events, listening
from tests.api.worlds import World, until_state, world
from tests.documents.cases_001_backtests import asked as backtest_of
from tests.documents.cases_002_backtests import DAYS, MARKET, result
from tests.documents.cases_002_backtests import asked as research_of
from tests.documents.cases_002_logs import FILES, entry, written
from tests.documents.cases_003_explorer import asked as queried
from tests.documents.cases_003_operations import processes
from tests.documents.client import Client
from tests.documents.shapes import inventory, misfits

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not inventory(""), reason="no contracts here"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A client of a house with a recording, a live source, one core for jobs and limits as they are by default."""
    folder = tmp_path_factory.mktemp("flows")
    async with world(folder, engine=Room(cores=1.0, memory_mb=4_096), limits=LimitsSettings()) as made:
        await simulated_recording(made.tape)
        live = LiveSource(made.tape)
        await live.open()
        yield Client(made, live)


async def heard(socket: Socket, kind: str) -> dict[str, Any]:
    """The next message of a kind."""
    while True:
        message: dict[str, Any] = await socket.receive(20)
        if message["type"] == kind:
            return message


async def test_000_a_session_from_choice_to_backtest(client: Client) -> None:
    """Select, configure, start on paper, watch, stop, start again, choose a recording, backtest it."""
    await client.log_in("trader")
    strategies = (await client.ask("GET", "/api/strategies"))["data"]["strategies"]
    symbols = (await client.ask("GET", "/api/exchange/symbols"))["data"]["symbols"]
    body: dict[str, Any] = {
        "session_type": "paper",
        "symbols": [one["symbol"] for one in symbols if one["symbol"] in ("BTC_USDT", "ETH_USDT")],
        "strategy_config": {"strategies": [one["id"] for one in strategies if one["id"] in ("pump_v2", "dump_v2")]},
        "config": {"budget": {"global_cap": 1_000, "allocations": {}}, "stop_loss_percent": 5.0},
        "idempotent": True,
    }
    async with connected(client.made.app) as socket:
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"
        first = (await client.ask("POST", "/sessions/start", body))["data"]["data"]["session_id"]
        assert (await heard(socket, "session_started"))["data"]["session_id"] == first
        await until_state(client.made, first, "running")
        await client.trade()
        assert (await client.ask("GET", f"/api/sessions/{first}"))["session"]["mode"] == "paper"
        await client.ask("POST", "/sessions/stop", {"session_id": first})
        await heard(socket, "session_stopped")
        assert (await until_state(client.made, first, "stopped"))["inputs"] >= 10
        second = (await client.ask("POST", "/sessions/start", body))["data"]["data"]["session_id"]
        assert (await heard(socket, "session_started"))["data"]["session_id"] == second != first
    await client.ask("POST", "/sessions/stop", {"session_id": second})
    recorded = (await client.ask("GET", "/api/data-collection/sessions"))["sessions"]
    chosen = next(one["session_id"] for one in recorded if one["status"] == "completed")
    replayed = body | {"session_type": "backtest"}
    replayed["config"] = body["config"] | {"session_id": chosen, "acceleration_factor": 0}
    backtest = (await client.ask("POST", "/sessions/start", replayed))["data"]["data"]["session_id"]
    ended = await until_state(client.made, backtest, "completed")
    assert (ended["recording"], ended["inputs"] > 10_000) == (chosen, True)
    assert (await client.ask("POST", f"/api/sessions/{backtest}/verify"))["equal"] is True


async def test_001_backtests_of_a_strategy_of_ones_own(client: Client) -> None:
    """Create a strategy, queue two backtests on one core, hear how one waits for the other, read what they found."""
    await client.log_in("trader")
    params = {"symbols": ["LTC_USDT"], "timeframe": "5m", "fast": 20, "slow": 60}
    made = await client.ask("POST", "/api/strategies/", {"name": "Mine", "type": "ema_cross", "params": params})
    assert (await client.ask("POST", f"/api/strategies/{made['id']}/activate"))["status"] == "active"
    body = await backtest_of(client.made, strategy=made["id"], params={"position_size": 0.5})
    async with listening(client.made.app, "/api/system/task-events", headers=client.headers) as events:
        assert (await events.next())[0] == "initial_state"
        names, told = [], []
        for seed in (21, 22):  # the second when the first has the core
            receipt = await client.ask("POST", "/api/backtests/run", body | {"seed": seed})
            names.append(receipt["backtest_id"])
            told += await _tasks_until(events, *(("task_queued", names[1]) if told else ("task_running", names[0])))
        told += await _tasks_until(events, "task_completed", names[1])
    life = ["task_queued", "task_running", "task_completed"]
    for name in names:
        assert [kind for kind, one, _ in told if one == name] == life
    order = [(kind, one) for kind, one, _ in told]
    assert order.index(("task_completed", names[0])) < order.index(("task_running", names[1]))
    assert [told[order.index(("task_queued", name))][2]["queue_position"] for name in names] == [1, 1]
    rows = await client.ask("GET", "/api/backtests/?limit=2")
    assert [one["id"] for one in rows] == names[::-1]
    one = await client.ask("GET", f"/api/backtests/{names[0]}")
    assert (one["status"], one["trading"]["total_trades"] > 10) == ("success", True)
    portfolio = await client.ask("GET", "/portfolio")
    assert portfolio["total_value"] == pytest.approx(portfolio["cash"] + _worth(portfolio["positions"]))
    assert isinstance(await client.ask("GET", "/portfolio/history"), list)
    queue = await client.ask("GET", "/api/system/queue")
    assert (queue["running_count"], queue["queued_count"]) == (0, 0)


def _worth(positions: list[dict[str, Any]]) -> float:
    signs = {"long": 1.0, "short": -1.0}
    return sum(signs[one["side"]] * one["quantity"] * one["current_price"] for one in positions)


async def _tasks_until(events: Events, last: str, name: str) -> list[tuple[str, str, dict[str, Any]]]:
    """What is told of tasks, but their progress, until this is told of this one."""
    found: list[tuple[str, str, dict[str, Any]]] = []
    while not found or found[-1][:2] != (last, name):
        kind, body = await events.next()
        if kind.startswith("task_") and kind != "task_description_update":
            found.append((kind, body["data"]["task_id"], body["data"]))
    return found


async def test_003_an_order_watched(client: Client) -> None:
    """Look after the house, buy by hand on paper, find the fill in the database."""
    async with processes(client.made):
        status = await client.ask("GET", "/api/status")
        assert status["components"]["engine"]["running"] is True
        listed = (await client.ask("GET", "/api/components"))["components"]
        for one in listed[:3]:
            assert (await client.ask("GET", f"/api/components/{one['id']}/metrics"))["metrics"] is not None
    await client.log_in("trader")
    wish = {"mode": "paper", "source": "live", "symbols": ["BTC_USDT"], "strategies": [{"strategy": "breakout"}]}
    session = (await client.ask("POST", "/api/sessions", wish))["session"]
    await until_state(client.made, session, "running")
    await client.trade()
    order = {"symbol": "BTC_USDT", "side": "buy", "quantity": 0.01, "type": "market"}
    once = {"Idempotency-Key": "bought"}
    for _ in range(2):  # the second is the same order again
        assert (await client.ask("POST", "/api/executions", order, **once))["session_id"] == session
    await client.trade()
    text = f"SELECT symbol, side, quantity, price FROM fills WHERE session = '{session}'"
    async with asyncio.timeout(20):
        while not (rows := await _rows(client, text)):
            continue
    assert [row[:3] for row in rows] == [["BTC_USDT", "buy", 0.01]]
    assert rows[0][3] == pytest.approx(50_000, rel=0.01)
    bought = (await client.ask("GET", f"/api/executions?session_id={session}"))["executions"]
    assert [(one["symbol"], one["quantity"]) for one in bought] == [("BTC_USDT", 0.01)]
    holdings = (await client.ask("GET", "/mcp/get_holdings"))["holdings"]
    assert [one["quantity"] for one in holdings if one["session_id"] == session] == [0.01]
    async with connected(client.made.app, "/api/ws/monitor") as socket:
        components = (await heard(socket, "system_status"))["payload"]["components"]
        assert set(components) == set(status["components"])
        listed = await _pages_signals(client)
        assert (await heard(socket, "signal"))["payload"]["id"] in listed
    held = f"SELECT quantity FROM positions WHERE session = '{session}' AND symbol = 'BTC_USDT'"
    assert await _rows(client, held) == [[0.01]]
    await client.ask("POST", f"/api/sessions/{session}/stop", {"close_positions": True})
    await until_state(client.made, session, "stopped")
    assert await _rows(client, f"SELECT pnl < 0 FROM trades WHERE session = '{session}'") == [[True]]


async def _pages_signals(client: Client) -> list[str]:
    """Ids of the signals of a recorded hour, page by page, each once, each with what led to it."""
    strategy = {"strategy": "ema_cross", "params": {"fast": 60, "slow": 240}}
    wish = {"mode": "paper", "recording": "rec_" + "a" * 16, "strategies": [strategy], "acceleration": 0}
    name = (await client.made.post("/api/sessions", wish, "admin")).json()["session"]  # whose panel is another
    await until_state(client.made, name, "completed")
    met, query = [], "/api/signals?limit=20"
    while query:
        page = await client.ask("GET", query)
        met += [one["id"] for one in page["signals"]]
        query = f"/api/signals?limit=20&cursor={page['nextCursor']}" if "nextCursor" in page else ""
    assert len(met) == len(set(met)) == page["total"] > 20
    cause = (await client.ask("GET", f"/api/signals/{met[0]}"))["cause"]
    assert cause["kind"] in ("trade", "quote")
    return met


async def _rows(client: Client, text: str) -> list[list[Any]]:
    answer = await queried(client.made, text, **{"Tape-Min-Sequence": str(await client.made.caught_up())})
    assert answer.status_code == 200, answer.text
    rows: list[list[Any]] = answer.json()["rows"]
    return rows


async def test_004_a_day_at_the_panel(client: Client) -> None:
    """Log in, change a section that every socket hears of, export, import, register an instrument, run."""
    await client.log_in("trader")
    async with connected(client.made.app) as socket:
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"
        changed = await client.ask("PUT", "/api/config/risk", {"maxDailyLoss": 0.03})
        assert changed["maxDailyLoss"] == 0.03
        assert (await heard(socket, "config_updated"))["data"]["values"] == {"risk.maxDailyLoss": 0.03}
    exported = await client.ask("POST", "/api/config/export", {})
    await client.ask("PUT", "/api/config/risk", {"maxDailyLoss": 0.02})
    imported = await client.ask("POST", "/api/config/import", exported)
    assert [(one["key"], one["value"]) for one in imported["changed"]] == [("risk.maxDailyLoss", 0.03)]
    assert (await client.ask("GET", "/api/config/risk"))["maxDailyLoss"] == 0.03
    item = await client.ask("POST", "/api/instruments", {"symbol": "PANEL_USDT", "exchange": "mexc"})
    assert item in await client.ask("GET", "/api/instruments?symbol=PANEL_USDT")
    await client.ask("POST", "/api/system/mode", {"mode": "paper"})
    ran = (await client.ask("POST", "/api/system/start", {}))["session_id"]
    await until_state(client.made, ran, "running")
    again = (await client.ask("POST", "/api/system/restart", {}))["session_id"]
    await until_state(client.made, ran, "stopped")
    status = await client.ask("GET", "/api/system/status")
    assert (status["mode"], [one["session_id"] for one in status["sessions"]]) == ("paper", [again])
    assert (await client.ask("POST", "/api/system/stop", {}))["sessions"] == [again]
    async with processes(client.made):
        restarted = await client.ask("POST", "/api/components/worker/restart")
        assert restarted["processes"] == ["worker-0", "worker-1"]


async def test_001_what_waits_is_told_its_place(client: Client) -> None:
    """Two backtests behind one that has the core: queued with place and message as documented, then done in turn."""
    documented = inventory("s1.backtests.run")["s1.backtests.run"]["alt_response_example"]
    await client.log_in("trader")
    body = await backtest_of(client.made)
    slow = body_of(msgspec.convert(body, BacktestAsked))
    slow = msgspec.structs.replace(slow, wish=msgspec.structs.replace(slow.wish, acceleration=1.0))
    first = (await submit(client.made.house, "trader", None, Asked("backtest", slow, "at the market's pace"))).id
    await client.in_state(first, "running")
    names = []
    for place in (1, 2):
        receipt = await client.ask("POST", "/api/backtests/run", body | {"seed": place})
        names.append(receipt["backtest_id"])
        assert receipt == documented | {
            "backtest_id": names[-1],
            "task_id": names[-1],
            "queue_position": place,
            "message": documented["message"].replace(str(documented["queue_position"]), str(place)),
        }
    queue = await client.ask("GET", "/api/system/queue")
    assert {one["task_id"]: one["queue_position"] for one in queue["queued_tasks"]} == {names[0]: 1, names[1]: 2}
    await client.ask("POST", f"/api/jobs/{first}/stop")
    jobs = [await client.in_state(name, "completed") for name in names]
    assert jobs[0]["ended_time"] <= jobs[1]["claimed_time"]


async def test_002_research_from_run_to_folds(client: Client) -> None:
    """Run two backtests, watch one, read and compare what they came to, walk forward, page through results."""
    client.headers = {}
    body = await research_of(client.made, monteCarlo=False)
    names = []
    for fast in (10, 20):
        answer = await client.ask("POST", "/api/v1/backtest/run", body | {"params": {"fast": fast, "slow": 50}})
        names.append(answer["data"]["jobId"])
    for name in names:
        assert (await result(client.made, name))["metrics"]["trade"]["totalTrades"] > 5
    compared = await client.ask("POST", "/api/v1/backtest/compare", {"resultIds": names})
    assert {compared["data"]["comparison"][name] for name in ("bestByReturn", "bestByDrawdown")} <= set(names)
    page = await client.ask("GET", "/api/v1/backtest/results?limit=1")
    assert page["pagination"]["hasMore"] is True
    windows = {"trainWindowDays": 10, "testWindowDays": 5, "stepSizeDays": 5, "grid": {"fast": [10, 20], "slow": [50]}}
    walked = await research_of(client.made, "s2.walkforward.run", **windows)
    job = (await client.ask("POST", "/api/v1/walkforward/run", walked))["data"]["jobId"]
    assert len((await result(client.made, job, "walkforward"))["folds"]) > 1


async def test_002_a_backtest_watched(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who subscribes on `/ws` sees a long backtest's bars grow to all that are there, and then what it came to."""
    monkeypatch.setattr(work, "FOLLOW_SECONDS", 0.02)
    client.headers = {}
    shape = inventory("s2.")["s2.ws.server.backtest_progress"]["response_shape"]
    instruments = tuple(
        msgspec.structs.replace(one, trades_per_second=0.02, volatility=0.001) for one in MARKET.instruments
    )
    long = msgspec.structs.replace(MARKET, instruments=instruments)
    body = await research_of(client.made, monteCarlo=False)
    body["recording"] = await simulated_recording(client.made.tape, long, "d" * 32)
    with slow_appends(client.made, monkeypatch):
        async with connected(client.made.app) as socket:
            job = (await client.ask("POST", "/api/v1/backtest/run", body))["data"]["jobId"]
            await socket.send({"type": "subscribe", "channel": "backtest", "jobId": job})
            told = []
            while (message := await socket.receive(30))["type"] != "job_complete":
                if message["type"] == "backtest_progress":
                    assert misfits(message, shape) == []
                    told.append(message["data"])
    assert (message["data"]["jobId"], message["data"]["status"]) == (job, "completed")
    came_to = message["data"]["result"]
    whole = await result(client.made, job)
    assert (came_to["dataStart"], came_to["dataEnd"]) == (whole["dataStart"], whole["dataEnd"])
    assert came_to["decisionHash"] == whole["decisionHash"]
    assert not [name for name in came_to if "_" in name]
    bars = [one["currentBar"] for one in told]
    assert bars == sorted(bars)
    assert len({bar for bar in bars if bar > 0}) > 1
    assert {one["totalBars"] for one in told} == {DAYS * 24 + 1}
    assert bars[-1] <= DAYS * 24 + 1
    assert all(one["currentEquity"] > 0 for one in told)


async def test_002_a_walk_forward_watched(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who subscribes where a backtest is told sees fold after fold and the percentage grow, then what it came to."""
    monkeypatch.setattr(work, "FOLLOW_SECONDS", 0.02)
    client.headers = {}
    windows = {"trainWindowDays": 10, "testWindowDays": 5, "stepSizeDays": 5, "grid": {"fast": [10, 20], "slow": [50]}}
    body = await research_of(client.made, "s2.walkforward.run", **windows)
    with slow_appends(client.made, monkeypatch):
        async with connected(client.made.app) as socket:
            job = (await client.ask("POST", "/api/v1/walkforward/run", body))["data"]["jobId"]
            await socket.send({"type": "subscribe", "channel": "backtest", "jobId": job})
            told = []
            while (message := await socket.receive(30))["type"] != "job_complete":
                if message["type"] == "job_progress":
                    told.append(message["data"])
    folds = message["data"]["result"]["folds"]
    assert {(one["jobId"], one["kind"], one["totalFolds"]) for one in told} == {(job, "walkforward", len(folds))}
    seen = [(one["currentFold"], one["phase"] == "test", one["percent"]) for one in told]
    assert seen == sorted(seen)
    assert {fold for fold, _, _ in seen} == set(range(1, len(folds) + 1))
    assert all(0 <= percent <= 100 for _, _, percent in seen)
    assert told[-1]["description"] == f"Fold {len(folds)} of {len(folds)}"


@contextmanager
def slow_appends(made: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tape takes its time, as a disk does."""
    append = made.tape.append

    async def slowly(*args: Any, **named: Any) -> int:
        await asyncio.sleep(0.1)
        return await append(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(made.tape, "append", slowly)
        yield


async def test_002_research_until_the_limit(client: Client) -> None:
    """Configure, keep templates, page through them and through a log, and be told to wait when it is too much."""
    client.headers = {}
    changed = await client.ask("PUT", "/api/v1/config", {"transformer": {"epochs": 150}})
    assert changed["data"]["config"]["transformer"]["epochs"] == 150
    kept = []
    for number in range(3):
        body = {"name": f"Flow {number}", "config": {"transformer": {"epochs": 10 + number}}}
        kept.append((await client.ask("POST", "/api/v1/config/templates", body))["data"]["id"])
    paged: list[str] = []
    while True:
        page = await client.ask("GET", f"/api/v1/config/templates?limit=2&offset={len(paged)}")
        paged += [one["id"] for one in page["data"]["templates"]]
        if not page["pagination"]["hasMore"]:
            break
    assert len(paged) == len(set(paged)) == page["pagination"]["total"]
    assert set(kept) <= set(paged)
    written(client.made, "flow.log", *(entry("step", "error" if number % 3 else "info") for number in range(9)))
    assert "flow.log" in [one["name"] for one in (await client.ask("GET", FILES))["data"]["files"]]
    lines: list[int] = []
    while True:
        page = await client.ask("GET", f"{FILES}/flow.log?level=ERROR&limit=4&offset={len(lines)}")
        lines += [one["number"] for one in page["data"]["lines"]]
        if not page["pagination"]["hasMore"]:
            break
    assert lines == [2, 3, 5, 6, 8, 9]
    limit = LimitsSettings().reads_per_minute
    for _ in range(limit + 1):
        answer = await client.made.client.get("/api/v1/config")
        if answer.status_code != 200:
            break
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "RATE_LIMITED")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    await client.log_in("trader")  # counted by themselves
    assert (await client.answer("GET", "/api/v1/config")).status_code == 200
