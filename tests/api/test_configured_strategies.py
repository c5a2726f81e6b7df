"""Sessions that name a configured strategy run its kind with its parameters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from events import codec, subjects
from events.facts import RecordingAbandoned
from tests.api.recordings import LiveSource, simulated_recording
from tests.api.worlds import World, until_state, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECORDING = "rec_" + "a" * 16


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with an engine, a recorded hour and a live source."""
    async with world(tmp_path_factory.mktemp("configured"), engine=True) as found:
        await simulated_recording(found.tape)
        await LiveSource(found.tape).open()
        await found.caught_up()
        yield found


async def configured(made: World, name: str, params: dict[str, Any], **more: Any) -> str:
    """Configure a strategy of kind ema_cross; its id."""
    answer = await made.post("/api/strategies/", {"name": name, "type": "ema_cross", "params": params} | more)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def backtest(*strategies: str, **params: Any) -> dict[str, Any]:
    """A backtest over the recorded hour."""
    return {
        "session_type": "backtest",
        "symbols": ["BTC_USDT", "ETH_USDT"],
        "strategy_config": {"strategies": list(strategies), "params": params},
        "config": {"session_id": RECORDING, "budget": {"global_cap": 1000}},
    }


async def ran(made: World, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a session to its end: its state and its specification."""
    answer = await made.post("/sessions/start", body)
    assert answer.status_code == 200, answer.text
    session = answer.json()["data"]["data"]["session_id"]
    ended = await until_state(made, session, "completed")
    return ended, (await made.get(f"/api/sessions/{session}")).json()["spec"]


async def test_it_decides_what_its_kind_decides_with_its_parameters(made: World) -> None:
    """The same rows, the same decisions as the kind itself with these parameters; the session says where from."""
    name = await configured(made, "Quick", {"fast": 5, "slow": 50})
    mine, spec = await ran(made, backtest(name))
    plain, _ = await ran(made, backtest("ema_cross", ema_cross={"fast": 5, "slow": 50}))
    other, _ = await ran(made, backtest("ema_cross"))
    assert mine["decision_hash"] == plain["decision_hash"] != other["decision_hash"]
    [setting] = spec["strategies"]
    assert (setting["strategy"], setting["configured"], setting["params"]["fast"]) == ("ema_cross", name, 5)


async def test_a_session_may_set_single_parameters_of_it(made: World) -> None:
    """What the session names goes before what is configured."""
    name = await configured(made, "Base", {"fast": 5, "slow": 50})
    _, spec = await ran(made, backtest(name, **{name: {"slow": 60}}))
    assert spec["strategies"][0]["params"] == {"fast": 5, "slow": 60}


async def test_it_trades_its_symbols_and_its_direction_only(made: World) -> None:
    """Symbols that the session has and it names not are left alone; a long one never sells short."""
    name = await configured(made, "Long bitcoin", {"symbols": ["BTC_USDT", "XRP_USDT"], "fast": 5}, direction="long")
    ended, spec = await ran(made, backtest(name))
    assert spec["strategies"][0]["symbols"] == ["BTC_USDT"]
    fills = (await made.get(f"/api/sessions/{ended['session']}/fills?limit=1000")).json()["rows"]
    assert {one["symbol"] for one in fills} == {"BTC_USDT"}
    assert min(one["position"] for one in fills) >= -1e-12
    nowhere = await configured(made, "Elsewhere", {"symbols": ["XRP_USDT"]})
    answer = await made.post("/sessions/start", backtest(nowhere))
    assert (answer.status_code, answer.json()["field"]) == (400, "strategy_config.strategies")


async def test_inactive_ones_trade_no_market_of_now(made: World) -> None:
    """A paper session takes it after its activation, not before and not after its deactivation."""
    name = await configured(made, "Careful", {})
    paper = {"session_type": "paper", "symbols": ["BTC_USDT"], "strategy_config": {"strategies": [name]}}
    answer = await made.post("/sessions/start", paper)
    assert (answer.status_code, answer.json()["error_code"]) == (409, "STRATEGY_INACTIVE")
    await made.post(f"/api/strategies/{name}/activate")
    started = await made.post("/sessions/start", paper)
    assert started.status_code == 200, started.text
    await made.post(f"/api/strategies/{name}/deactivate")
    session = started.json()["data"]["data"]["session_id"]
    await until_state(made, session, "running")
    await made.post("/sessions/stop", {"session_id": session})
    assert (await made.post("/sessions/start", paper)).status_code == 409


async def test_a_kind_runs_once_in_a_session(made: World) -> None:
    """Two of one kind in one session are refused by name, before anything is appended."""
    one, other = await configured(made, "A", {}), await configured(made, "B", {})
    last = await made.last()
    for names in ((one, other), (one, "ema_cross")):
        answer = await made.post("/sessions/start", backtest(*names))
        assert (answer.status_code, answer.json()["field"]) == (400, "strategy_config.strategies")
    assert await made.last() == last


async def test_forks_name_them_too(made: World) -> None:
    """A fork may run a configured strategy over the same rows."""
    ended, _ = await ran(made, backtest("ema_cross"))
    name = await configured(made, "Forked", {"fast": 4, "slow": 40})
    answer = await made.post(f"/api/sessions/{ended['session']}/fork", {"strategies": [{"strategy": name}]})
    assert answer.status_code == 200, answer.text
    fork = await until_state(made, answer.json()["session"], "completed")
    spec = (await made.get(f"/api/sessions/{fork['session']}")).json()["spec"]
    assert (spec["strategies"][0]["configured"], spec["strategies"][0]["params"]["fast"]) == (name, 4)


async def test_users_are_told(made: World) -> None:
    """Who created it is the user of the token, or nobody in particular on this machine."""
    mine = await configured(made, "Of a user", {})
    assert (await made.get(f"/api/strategies/{mine}")).json()["user"] == "trader"
    body = {"name": "Of nobody", "type": "ema_cross"}
    assert (await made.client.post("/api/strategies/", json=body)).json()["user"] == "local"


async def repeated(made: World, body: dict[str, Any]) -> str:
    """Start a session idempotently; its id."""
    answer = await made.post("/sessions/start", body | {"idempotent": True})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["data"]["session_id"])


async def test_the_same_start_finds_its_session_whatever_is_configured_since(made: World) -> None:
    """A changed setting, a changed and a retired strategy end nothing: the session that runs is answered (C26)."""
    name = await configured(made, "Changing", {"fast": 5, "slow": 50})
    await made.post(f"/api/strategies/{name}/activate")
    paper = {"session_type": "paper", "symbols": ["BTC_USDT"], "strategy_config": {"strategies": [name]}}
    session = await repeated(made, paper)
    for section, values in (("risk", {"maxDailyLoss": 0.013}), ("backtest", {"initialBalance": 4_321})):
        changed = await made.client.put(f"/api/config/{section}", json=values, headers=made.bearer(csrf=True))
        assert changed.status_code == 200, changed.text
        assert await repeated(made, paper) == session
    await made.client.put(f"/api/strategies/{name}", json={"params": {"fast": 6}})
    assert await repeated(made, paper | {"config": {}}) == session
    await made.post(f"/api/strategies/{name}/deactivate")
    assert await repeated(made, paper) == session
    assert (await made.client.delete(f"/api/strategies/{name}")).status_code == 200
    assert await repeated(made, paper) == session
    await until_state(made, session, "running")
    assert (await made.post("/sessions/start", paper)).status_code == 404, "another session of it cannot start"
    await made.post("/sessions/stop", {"session_id": session})
    await until_state(made, session, "stopped")
    refused = await made.post("/sessions/start", paper | {"idempotent": True})
    assert (refused.status_code, refused.json()["error_code"]) == (404, "NOT_FOUND")


async def test_another_body_is_another_session(made: World) -> None:
    """A body that asks for something else replaces the session that runs, idempotent or not."""
    paper = {"session_type": "paper", "symbols": ["BTC_USDT"], "strategy_config": {"strategies": ["ema_cross"]}}
    session = await repeated(made, paper)
    other = await repeated(made, paper | {"config": {"stop_loss_percent": 5}})
    assert other != session
    assert (await until_state(made, session, "stopped"))["reason"] == "replaced"
    await made.post("/sessions/stop", {"session_id": other})


async def panel(made: World, verb: str = "start") -> list[str]:
    """Start the panel's default session; the strategies that it runs. It is stopped again."""
    answer = await made.post(f"/api/system/{verb}", {})
    assert answer.status_code == 200, answer.text
    found = await until_state(made, answer.json()["session_id"], "running")
    await made.post("/api/system/stop", {})
    await until_state(made, found["session"], "stopped")
    return list(found["strategies"])


async def paper_ran(made: World, body: dict[str, Any]) -> None:
    """Run a paper session and stop it."""
    session = await repeated(made, {"session_type": "paper", "symbols": ["BTC_USDT"]} | body)
    await until_state(made, session, "running")
    await made.post("/sessions/stop", {"session_id": session})
    await until_state(made, session, "stopped")


async def test_the_panel_starts_what_is_left_of_the_last_session(made: World) -> None:
    """A strategy that was retired since is left out; where none is left, what is configured starts."""
    name = await configured(made, "Retired", {})
    await made.post(f"/api/strategies/{name}/activate")
    await paper_ran(made, {"strategy_config": {"strategies": [name, "breakout"]}})
    assert await panel(made) == ["ema_cross", "breakout"]
    await made.post(f"/api/strategies/{name}/deactivate")
    assert await panel(made, "restart") == ["breakout"]
    await made.post(f"/api/strategies/{name}/activate")
    await paper_ran(made, {"strategy_config": {"strategies": [name]}})
    await made.post(f"/api/strategies/{name}/deactivate")
    assert await panel(made) == ["pump_v2"]
    await made.post(f"/api/strategies/{name}/activate")
    await paper_ran(made, {"strategy_config": {"strategies": [name]}})
    assert (await made.client.delete(f"/api/strategies/{name}")).status_code == 200
    assert await panel(made) == ["pump_v2"]


async def test_the_panel_starts_after_a_source_is_gone(made: World) -> None:
    """The last session's source ended: what is configured starts on one that is there, with strategies it has."""
    await LiveSource(made.tape, ("XRP_USDT",), "gone").open()
    await made.caught_up()
    away = await configured(made, "Away", {"symbols": ["XRP_USDT"]})
    await made.post(f"/api/strategies/{away}/activate")
    body = {"symbols": ["XRP_USDT"], "strategy_config": {"strategies": ["breakout"]}, "config": {"source": "gone"}}
    await paper_ran(made, body)
    fact = RecordingAbandoned(recording="rec-gone", reason="its end")
    await made.tape.append(codec.to_append(fact, subjects.recording(fact.recording), "rec-gone:over"))
    await made.caught_up()
    assert await panel(made) == ["pump_v2"]
