"""Who did what is on the tape, bounded, without secrets, and shown to admins only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from api.services import auditing
from api.services.auditing import GATHERED_MAX, Auditing
from events import codec, subjects
from events.clock import ManualClock
from events.facts.audit import ActionAudited
from events.memory_tape import MemoryTape
from tests.api.asgi_socket import connected
from tests.api.worlds import PASSWORD, TEST_LIMITS, World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUDITED = msgspec.structs.replace(TEST_LIMITS, audits_per_minute=600)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house that audits."""
    async with world(tmp_path_factory.mktemp("audit"), limits=AUDITED) as found:
        yield found


async def rows(made: World, query: str = "") -> list[dict[str, Any]]:
    """What an admin is shown, once all is written."""
    await made.house.auditing._write()
    await made.caught_up()
    last = await made.last()
    answer = await made.get(f"/api/audit{query}", "admin", **{"Tape-Min-Sequence": str(last)})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


async def test_logins_and_refusals(made: World) -> None:
    """Good and bad logins by name, refusals by route; what is typed as the name of nobody is not kept."""
    for name, password in (("trader", PASSWORD), ("trader", "wrong password"), ("my secret password", "x")):
        await made.client.post("/api/auth/login", json={"username": name, "password": password})
    for _ in range(3):
        await made.get("/api/strategies")
    await made.post("/api/sessions", {}, "viewer")
    await made.get("/symbols", Host="evil.example")
    found = {(one["action"], one["user"], one["what"], one["status"], one["count"]) for one in await rows(made)}
    assert {
        ("login", "trader", "POST /api/auth/login", 200, 1),
        ("login_refused", "trader", "POST /api/auth/login", 401, 1),
        ("login_refused", "", "POST /api/auth/login", 401, 1),
        ("access_refused", "", "GET /api/strategies", 401, 3),
        ("access_refused", "viewer", "POST /api/sessions", 403, 1),
        ("access_refused", "", "GET /symbols", 403, 1),
    } <= found
    assert {one["address"] for one in await rows(made)} == {"127.0.0.1"}
    assert "secret" not in str(found)
    assert [one["action"] for one in await rows(made, "?user=trader&action=login&limit=1")] == ["login"]
    assert await rows(made, "?as_of=0") == []


async def test_refused_sockets(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket from another site, or without a token where one is due, is kept as a refused request is; others not."""
    async with connected(made.app) as good:
        await good.send({"type": "ping"})
        assert (await good.receive())["type"] == "pong"
    async with connected(made.app, headers={"Origin": "http://evil.example"}) as socket:
        assert await socket.receive() is None
    monkeypatch.setattr("api.access.beyond_loopback", lambda _: True)
    async with connected(made.app, "/api/ws/monitor", query="token=junk") as socket:
        assert await socket.receive() is None
        assert socket.closed == 4401
    found = {(one["action"], one["what"], one["status"], one["count"]) for one in await rows(made)}
    sockets = {one for one in found if one[1].startswith("SOCKET")}
    assert sockets == {
        ("access_refused", "SOCKET /ws", 403, 1),
        ("access_refused", "SOCKET /api/ws/monitor", 401, 1),
    }
    assert "junk" not in str(found)


async def test_changes_of_what_runs_the_house(made: World) -> None:
    """A change of keys, configuration or processes is kept with its path; one that is refused is not, nor a read."""
    house = made.house.auditing
    for method, path, status in (
        ("DELETE", "/api/keys/k1", 200),
        ("PUT", "/api/config/risk", 200),
        ("POST", "/api/components/engine/restart", 200),
        ("PUT", "/api/config/ppo", 400),
        ("GET", "/api/config", 200),
        ("POST", "/api/strategies/", 200),
    ):
        house.note_request(method, path, "ann", "10.0.0.1", status)
    found = {one["what"] for one in await rows(made, "?user=ann&action=request")}
    assert found == {"DELETE /api/keys/k1", "PUT /api/config/risk", "POST /api/components/engine/restart"}


async def test_only_admins_are_shown_it(made: World) -> None:
    """Not by its route and not by the tape's: others see neither rows nor events."""
    await made.get("/api/strategies")
    await rows(made)
    assert (await made.get("/api/audit", "trader")).status_code == 403
    for name, shown in (("", False), ("trader", False), ("admin", True)):
        page = (await made.get("/api/tape/events?kind=ActionAudited", name)).json()
        assert bool(page["events"]) is shown, name
    everything = (await made.get("/api/tape/events?limit=1000")).json()
    assert "ActionAudited" not in str(everything["events"])


async def written(tape: MemoryTape) -> list[ActionAudited]:
    """What was audited on a tape."""
    found = [codec.decode(one.body) async for one in tape.read(1, subjects=(subjects.AUDIT,))]
    return [one for one in found if isinstance(one, ActionAudited)]


async def test_the_rate_is_bounded_and_what_is_left_out_is_told() -> None:
    """A flood writes no more than the bound; the next that is written says how many are missing."""
    tape, clock = MemoryTape(clock=ManualClock()), ManualClock()
    house = Auditing(tape, clock, 10)
    for at in range(GATHERED_MAX + 50):
        house.note("access_refused", "", f"GET /{at}", "10.0.0.1", 401)
    await house._write()
    assert len(await written(tape)) == 10
    clock.advance(60)
    house.note("login", "ann", "POST /api/auth/login", "10.0.0.1", 200)
    await house.close()
    facts = await written(tape)
    assert (facts[0].left_out, facts[-1].left_out) == (50, GATHERED_MAX - 10)
    assert len(facts) == 11


async def test_a_second_is_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same again within the second is one fact with its count; with a bound of none nothing is kept."""
    monkeypatch.setattr(auditing, "GATHER_SECONDS", 0.01)
    tape = MemoryTape()
    house, none = Auditing(tape, ManualClock(), 10), Auditing(tape, ManualClock(), 0)
    for one in (house, none):
        await one.start()
        for _ in range(5):
            one.note("access_refused", "", "GET /api/strategies", "10.0.0.1", 401)
        await one.close()
    assert [fact.count for fact in await written(tape)] == [5]
