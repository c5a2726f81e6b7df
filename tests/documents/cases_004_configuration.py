"""Contract 004, the configuration: whole and by section, as YAML, with its history; every socket hears of changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import yaml

from tests.api.asgi_socket import Socket, connected
from tests.api.worlds import World, until_state
from tests.documents.shapes import misfits

PATH = "/api/config"
SECTIONS = ("data", "transformer", "ppo", "risk", "backtest")
CHANGE = {
    "key": "string",
    "before": "any",
    "value": "any",
    "user": "string",
    "origin": "string",
    "changed_at": "string:datetime",
    "sequence": "number",
}


async def put(made: World, section: str, body: Any, **headers: str) -> httpx.Response:
    """Change a section as a trader."""
    return await made.client.put(f"{PATH}/{section}", json=body, headers={**made.bearer("trader"), **headers})


async def gives_all(made: World) -> None:
    """The same as contract 002 gives (C19), bare, and which keys the environment sets; as of before too."""
    then = await made.last()
    found = (await made.get(PATH)).json()
    assert found.pop("overridden") == []
    assert found == (await made.get("/api/v1/config")).json()["data"]
    await put(made, "ppo", {"clipEpsilon": 0.17})
    assert (await made.get(PATH)).json()["ppo"]["clipEpsilon"] == 0.17
    assert (await made.get(f"{PATH}?as_of={then}")).json()["ppo"] == found["ppo"]


async def gives_a_section(made: World) -> None:
    """One section, bare; another word is a 404 that says what there is."""
    whole = (await made.get(PATH)).json()
    for section in SECTIONS:
        assert (await made.get(f"{PATH}/{section}")).json() == whole[section]
    missing = await made.get(f"{PATH}/broker")
    assert (missing.status_code, missing.json()["field"]) == (404, "section")
    assert "transformer" in missing.json()["detail"]


async def changes_a_section(made: World) -> None:
    """Merged into the section by a trader; history says who; wrong values are all named and change nothing."""
    before = (await made.get(f"{PATH}/risk")).json()
    answer = await put(made, "risk", {"maxDailyLoss": 0.04})
    assert answer.status_code == 200, answer.text
    assert answer.json() == before | {"maxDailyLoss": 0.04}
    behind = await made.get(f"{PATH}/risk", **{"Tape-Min-Sequence": answer.headers["Tape-Sequence"]})
    assert behind.json() == answer.json()
    newest = (await made.get(f"{PATH}/history?order=newest&limit=1")).json()["rows"][0]
    assert misfits(newest, CHANGE) == []
    assert [newest[name] for name in ("key", "before", "value", "user", "origin")] == [
        "risk.maxDailyLoss", before["maxDailyLoss"], 0.04, "trader", "request",
    ]  # fmt: skip
    await reaches_later_sessions(made)
    last = await made.last()
    wrong = await put(made, "risk", {"maxDailyLoss": 2, "defaultStopLossPips": -1})
    assert wrong.status_code == 400
    assert all(name in wrong.json()["detail"] for name in ("risk.maxDailyLoss", "risk.defaultStopLossPips"))
    many = await put(made, "risk", dict.fromkeys(before, -1) | {"bogus": 1})
    assert set(many.json()["fields"]) == {f"risk.{name}" for name in [*before, "bogus"]}
    assert (await put(made, "broker", {})).status_code == 404
    assert (await made.client.put(f"{PATH}/risk", json={})).status_code == 401
    assert await made.last() == last


async def reaches_later_sessions(made: World) -> None:
    """A session that names no budget starts with the configured balance and keeps it; another has its own."""
    body = {"session_type": "paper", "symbols": ["BTC_USDT"], "strategy_config": {"strategies": ["grid"]}}
    for config, balance in (({}, 4_321.0), ({"budget": {"global_cap": 500}}, 500.0)):
        assert (await put(made, "backtest", {"initialBalance": 4_321.0})).status_code == 200
        started = await made.post("/sessions/start", body | {"config": config})
        assert started.status_code == 200, started.text
        session = started.json()["data"]["data"]["session_id"]
        await put(made, "backtest", {"initialBalance": 10_000.0})
        limits = (await made.get(f"/api/sessions/{session}")).json()["spec"]["limits"]
        assert (limits["cash"], limits["global_cap"]) == (balance, balance)
        await made.post("/sessions/stop", {"session_id": session})
        await until_state(made, session, "stopped")


async def exports(made: World) -> None:
    """A YAML document of all sections, which an import takes and finds nothing to change in."""
    answer = await made.post(f"{PATH}/export", {})
    assert answer.status_code == 200, answer.text
    held = yaml.safe_load(answer.json()["content"])
    found = (await made.get(PATH)).json()
    found.pop("overridden")
    assert held == found
    again = await made.post(f"{PATH}/import", answer.json())
    assert (again.status_code, again.json()["changed"]) == (200, [])


async def imports(made: World) -> None:
    """All of a document or nothing; the answer says what changed, the same for a repeat; junk is refused."""
    before = (await made.get(f"{PATH}/backtest")).json()
    document = {"content": "backtest:\n  leverage: 30\n  commissionPerLot: 1e-1\n"}
    key = {"Idempotency-Key": "y-1"}
    answer = await made.post(f"{PATH}/import", document, **key)
    assert answer.status_code == 200, answer.text
    assert misfits(answer.json()["changed"], [CHANGE]) == []
    told = {one["key"]: (one["before"], one["value"], one["origin"]) for one in answer.json()["changed"]}
    assert told == {
        "backtest.leverage": (before["leverage"], 30.0, "import"),
        "backtest.commissionPerLot": (before["commissionPerLot"], 0.1, "import"),
    }
    assert (await made.post(f"{PATH}/import", document, **key)).json() == answer.json()
    assert answer.json()["config"]["backtest"] == (await made.get(f"{PATH}/backtest")).json()
    last = await made.last()
    for content, field in (
        ("backtest:\n  leverage: 40\nppo:\n  gamma: 7\n", "content.ppo.gamma"),
        ("- a\n- b", "content"),
        ("just text", "content"),
        ("a: [", "content"),
        ("ppo: {gamma: 0.5, gamma: 0.6}", "content"),
        ("ppo: {gamma: 0.5}\nppo: {gamma: 0.6}", "content"),
        ("a: !!python/object/apply:os.getpid []", "content"),
        ("[" * 5_000, "content"),
        ("x" * 70_000, "content"),
        (f"? 0x{'f' * 6_000}\n: 1\n", "content.(int)"),  # no text of so many digits is ever made
        (f"ppo:\n  ? 0x{'f' * 6_000}\n  : 1\n", "content.ppo.(int)"),
        ("a: &a [*a, *a]\nppo: {gamma: *a}", "content.a"),
    ):
        refused = await made.post(f"{PATH}/import", {"content": content})
        assert (refused.status_code, refused.json()["field"]) == (400, field), refused.text
    assert (await made.last(), (await made.get(f"{PATH}/backtest")).json()["leverage"]) == (last, 30.0)


async def tells_every_socket(made: World) -> None:
    """Whoever changes it and however: every socket is told which keys have which values now, once."""
    async with connected(made.app) as one, connected(made.app) as other:
        for socket in (one, other):
            await socket.send({"type": "ping"})
            assert (await socket.receive())["type"] == "pong"
        assert (await put(made, "data", {"lookbackWindow": 99})).status_code == 200
        for socket in (one, other):
            body = await _config_updated(socket)
            assert misfits(body, {"type": "string", "data": "object", "timestamp": "string:datetime"}) == []
            assert (body["data"]["values"], body["data"]["user"]) == ({"data.lookbackWindow": 99}, "trader")
        assert (await put(made, "data", {"lookbackWindow": -1})).status_code == 400  # tells nobody
        assert (await made.client.put("/api/v1/config", json={"data": {"lookbackWindow": 98}})).status_code == 200
        assert (await _config_updated(one))["data"]["values"] == {"data.lookbackWindow": 98}


async def _config_updated(socket: Socket) -> dict[str, Any]:
    while True:
        body: dict[str, Any] = await socket.receive()
        if body["type"] == "config_updated":
            return body


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s4.config.get": gives_all,
    "s4.config.section": gives_a_section,
    "s4.config.section.put": changes_a_section,
    "s4.config.export": exports,
    "s4.config.import": imports,
    "s4.ws.configuration": tells_every_socket,
    "s4.rule.config_broadcast": tells_every_socket,
}
