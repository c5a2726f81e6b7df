"""An idempotency key stands for one request: the same again is answered the same, another one is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.recordings import LIVE
from tests.api.worlds import World, until_state

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_repeat_is_the_same_request_however_its_json_is_written(running: World) -> None:
    """Order of names and blanks make no other request; another value does, and changes nothing."""
    key = {"Idempotency-Key": "configured", "Content-Type": "application/json"}
    path = "/api/v1/config"
    first = await running.client.put(path, content=b'{"ppo": {"gamma": 0.4, "clipEpsilon": 0.3}}', headers=key)
    again = await running.client.put(path, content=b'{"ppo":{"clipEpsilon":0.3,"gamma":0.4}}', headers=key)
    assert (first.status_code, again.status_code) == (200, 200), again.text
    last = (await running.tape.info()).last
    other = await running.client.put(path, content=b'{"ppo": {"gamma": 0.5}}', headers=key)
    assert (other.status_code, list(other.json()["error"]["details"])) == (409, ["Idempotency-Key"])
    ppo = (await running.client.get("/api/config/ppo")).json()
    assert (ppo["gamma"], ppo["clipEpsilon"]) == (0.4, 0.3)
    assert (await running.tape.info()).last == last + 2  # the command and its refusal


async def test_a_key_of_a_creation_removes_nothing(running: World) -> None:
    """A DELETE under the key of a POST is refused, and what it would have removed is there."""
    made = [await _strategy(running, name, f"key-{name}") for name in ("One", "Other")]
    headers = running.bearer("trader", csrf=True) | {"Idempotency-Key": "key-One"}
    refused = await running.client.delete(f"/api/strategies/{made[1]}", headers=headers)
    assert (refused.status_code, refused.json()["error_code"]) == (409, "KEY_USED")
    await running.caught_up()
    listed = (await running.get("/api/strategies/", "trader")).json()
    assert set(made) <= {one["id"] for one in listed}


async def _strategy(running: World, name: str, key: str) -> str:
    body = {"name": name, "type": "ema_cross", "params": {"symbols": ["BTC_USDT"], "fast": 5, "slow": 9}}
    answer = await running.post("/api/strategies/", body, **{"Idempotency-Key": key})
    assert answer.is_success, answer.text
    found: str = answer.json()["id"]
    return found


async def test_a_session_takes_one_order_under_a_key(running: World) -> None:
    """The same order again changes nothing; another quantity under its key is refused by the session."""
    wish: dict[str, Any] = {"mode": "paper", "source": LIVE, "strategies": [{"strategy": "breakout"}]}
    session = (await running.post("/api/sessions", wish)).json()["session"]
    await until_state(running, session, "running")
    path, key = f"/api/sessions/{session}/orders", {"Idempotency-Key": "bought"}
    order = {"symbol": "BTC_USDT", "side": "buy", "quantity": 0.01}
    assert (await running.post(path, order, **key)).json()["changed"] is True
    assert (await running.post(path, order, **key)).json()["changed"] is False
    other = await running.post(path, order | {"quantity": 0.02}, **key)
    assert (other.status_code, other.json()["error_code"]) == (409, "KEY_USED")
    await running.post(f"/api/sessions/{session}/stop", {})


async def test_a_repeat_is_not_refused_for_what_its_first_try_did(running: World) -> None:
    """What was removed is answered as removed again under the same key; without it, or with another body, it is not."""
    made = await _strategy(running, "Removed twice", "key-twice")
    path = f"/api/strategies/{made}"
    headers = running.bearer("trader", csrf=True) | {"Idempotency-Key": "removed"}
    first = await running.client.delete(path, headers=headers)
    assert first.is_success, first.text
    await running.caught_up()
    again = await running.client.delete(path, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert (await running.client.delete(path, headers=running.bearer("trader", csrf=True))).status_code == 404
    other = await running.client.delete(path, headers=headers | {"Idempotency-Key": "another"})
    assert other.status_code == 404
    body = {"name": "Removed twice", "type": "no_such_kind", "params": {"symbols": ["BTC_USDT"]}}
    assert (await running.post("/api/strategies/", body, **{"Idempotency-Key": "key-twice"})).status_code >= 400


async def test_a_repeated_stop_stops_what_ran_then(running: World) -> None:
    """A session that was started since goes on, and the answer names the same sessions as the first time."""
    key, wish = {"Idempotency-Key": "all"}, {"mode": "paper", "source": LIVE, "strategies": [{"strategy": "breakout"}]}
    await running.post("/api/system/mode", {"mode": "paper"})
    first = (await running.post("/api/sessions", wish)).json()["session"]
    stopped = (await running.post("/api/system/stop", {}, **key)).json()
    assert stopped["sessions"] == [first]
    second = (await running.post("/api/sessions", wish)).json()["session"]
    await until_state(running, second, "running")
    await running.post("/api/system/mode", {"mode": "backtest"})
    assert (await running.post("/api/system/stop", {}, **key)).json() == stopped
    await running.caught_up()
    assert (await running.get(f"/api/sessions/{second}")).json()["session"]["state"] == "running"
    await running.post("/api/system/mode", {"mode": "paper"})
    assert (await running.post("/api/system/stop", {})).json()["sessions"] == [second]


async def test_a_repeated_start_is_answered_with_its_own_session(running: World) -> None:
    """Whatever runs by then, a start of the panel under a key names the session that it named first."""
    key, wish = (
        {"Idempotency-Key": "begun"},
        {"mode": "paper", "source": LIVE, "strategies": [{"strategy": "breakout"}]},
    )
    await running.post("/api/system/mode", {"mode": "paper"})
    first = (await running.post("/api/system/start", {}, **key)).json()
    await running.post("/api/system/stop", {})
    await until_state(running, first["session_id"], "stopped", "ended")
    other = (await running.post("/api/sessions", wish)).json()["session"]
    await until_state(running, other, "running")
    assert (await running.post("/api/system/start", {})).json()["session_id"] == other
    assert (await running.post("/api/system/start", {}, **key)).json() == first
    await running.post("/api/system/stop", {})
