"""Contract 004, operations: health of the components; the mode; start, stop and restart of the default session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api.streams import broadcast
from tests.api.asgi_socket import Socket, connected
from tests.api.worlds import World, until_state
from tests.documents.cases_003_operations import processes, signalled
from tests.documents.shapes import misfits

BROADCAST = {"type": "string", "data": "object", "timestamp": "string:datetime"}  # C7

NEW = "admin"  # has started nothing yet: whoever has is given what ran last


async def tells_how_components_are(made: World) -> None:
    """Components, databases, the broker's connection and resources; the same words as contract 003's status (C24)."""
    answer = await made.get("/api/health/components")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert {"components", "database", "broker", "resources"} <= set(found)
    told = (await made.get("/api/status")).json()["components"]
    assert {name: one["status"] for name, one in found["components"].items()} == {
        name: one["status"] for name, one in told.items()
    }
    assert found["database"]["market"]["lag"] == 0
    assert found["broker"]["status"] == "not_configured"
    assert found["resources"]["memory"]["total"] > 0


async def tells_the_state(made: World) -> None:
    """The mode, what runs, and every component in a word."""
    answer = await made.get("/api/system/status")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["mode"] in ("paper", "backtest", "collect")
    assert found["running"] == any(one["state"] == "running" for one in found["sessions"])
    assert found["components"]["tape"] == "ok"


async def changes_the_mode(made: World) -> None:
    """By a trader, for all; live needs a venue; what is no mode is refused; a read as of before says what was then."""
    then = await made.last()
    answer = await made.post("/api/system/mode", {"mode": "collect"})
    assert (answer.status_code, answer.json()) == (200, {"mode": "collect", "status": "mode_changed"})
    found = (await made.get("/api/system/status")).json()
    assert (found["mode"], found["mode_set_by"]) == ("collect", "trader")
    assert (await made.get(f"/api/system/status?as_of={then}")).json()["mode"] == "paper"
    last = await made.last()
    live = await made.post("/api/system/mode", {"mode": "live"})
    assert (live.status_code, live.json()["error_code"]) == (501, "NO_VENUE")
    assert (await made.post("/api/system/mode", {"mode": "dream"})).status_code == 400
    assert (await made.post("/api/system/mode", {})).status_code == 400
    assert (await made.post("/api/system/mode", {"mode": "paper"}, "viewer")).status_code == 403
    assert await made.last() == last
    await made.post("/api/system/mode", {"mode": "paper"})


async def starts_and_stops(made: World) -> None:
    """The default session starts, is answered while it runs, is replaced by a restart that runs the same, and stops."""
    first = await made.post("/api/system/start", {}, NEW)
    assert first.status_code == 200, first.text
    name = first.json()["session_id"]
    ran = await until_state(made, name, "running")
    assert (ran["mode"], ran["strategies"], ran["user"]) == ("paper", ["pump_v2"], NEW)
    assert name in [one["session_id"] for one in (await made.get("/api/system/status")).json()["sessions"]]
    again = await made.post("/api/system/start", {}, NEW)
    assert (again.json()["session_id"], again.json()["changed"]) == (name, False)
    other = (await made.post("/api/system/restart", {}, NEW)).json()
    assert (other["status"], other["session_id"] != name) == ("restarted", True)
    await until_state(made, name, "ended", "stopped")
    same = await until_state(made, other["session_id"], "running")
    assert [same[key] for key in ("mode", "strategies", "symbols")] == [
        ran[k] for k in ("mode", "strategies", "symbols")
    ]
    stopped = await made.post("/api/system/stop", {}, NEW)
    assert (stopped.status_code, stopped.json()["sessions"]) == (200, [other["session_id"]])
    await until_state(made, other["session_id"], "ended", "stopped")
    assert (await made.post("/api/system/stop", {}, NEW)).json()["sessions"] == []
    for _ in range(3):  # a stop sees every start that was acknowledged
        begun = (await made.client.post("/api/system/start", json={}, headers=made.bearer(NEW))).json()["session_id"]
        ended = (await made.client.post("/api/system/stop", json={}, headers=made.bearer(NEW))).json()
        assert ended["sessions"] == [begun]
        await until_state(made, begun, "ended", "stopped")
    assert (await made.post("/api/system/start", {"x": 1}, NEW)).status_code == 400
    assert (await made.post("/api/system/start", {}, "viewer")).status_code == 403


async def tells_of_its_mode(made: World) -> None:
    """Every socket hears of a changed mode."""
    async with connected(made.app) as socket:
        await socket.send({"type": "ping"})
        await _until(socket, "pong")
        await made.post("/api/system/mode", {"mode": "paper"})
        while "mode" not in (status := await _until(socket, "system_status"))["data"]:
            pass
        assert (status["data"]["mode"], misfits(status, BROADCAST)) == ("paper", [])


async def tells_what_goes_down(made: World) -> None:
    """Every socket hears of a component that shows no sign of life any more, and of its coming back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broadcast, "STATUS_SECONDS", 0.05)
        async with connected(made.app, "/api/ws/monitor") as monitor, connected(made.app) as socket:
            for _ in range(2):  # what is so at the first look is no news
                assert (await monitor.receive(10.0))["type"] == "system_status"
            async with processes(made):
                await _alerted(socket, "ok")
            for before, now in (("ok", "error"), ("error", "ok")):
                async with processes(made, *(("seal",) if now == "error" else ())):
                    alert = await _alerted(socket, now)
                    assert (alert["data"]["before"], misfits(alert, BROADCAST)) == (before, [])
                    assert alert["data"]["level"] == ("error" if now == "error" else "info")


async def _alerted(socket: Socket, word: str) -> dict[str, Any]:
    """The next alert of the seal, which is of its being so."""
    while (alert := await _until(socket, "health_alert"))["data"]["component"] != "seal":
        pass
    assert alert["data"]["status"] == word
    return alert


async def tells_signals(made: World) -> None:
    """Every socket hears of each signal of a session."""
    async with connected(made.app) as socket:
        await socket.send({"type": "ping"})
        await _until(socket, "pong")
        await signalled(made)
        signal = await _until(socket, "signal")
        assert (signal["data"]["symbol"], misfits(signal, BROADCAST)) == ("ETH_USDT", [])


async def _until(socket: Socket, kind: str) -> dict[str, Any]:
    while True:
        body: dict[str, Any] = await socket.receive(10.0)
        if body["type"] == kind:
            return body


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s4.health.components": tells_how_components_are,
    "s4.system.status": tells_the_state,
    "s4.system.mode": changes_the_mode,
    "s4.system.start": starts_and_stops,
    "s4.system.stop": starts_and_stops,
    "s4.system.restart": starts_and_stops,
    "s4.ws.connect": tells_of_its_mode,
    "s4.ws.system_status": tells_of_its_mode,
    "s4.ws.signal": tells_signals,
    "s4.ws.health_alert": tells_what_goes_down,
}
