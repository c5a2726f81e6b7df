"""The control panel's start, stop and status: whose sessions they are about, and what is said of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api.services.acting import Start, begin
from engine.sessions.desk import Desk
from engine.sessions.plan import SessionWish, StrategyWish, plan
from tests.api.recordings import LIVE
from tests.api.worlds import World, until_state

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAPER: dict[str, Any] = {"mode": "paper", "source": LIVE, "strategies": [{"strategy": "breakout"}]}


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine, a stop waits until its sessions are over."""
    monkeypatch.setattr("api.services.trading.ENDED_SECONDS_MAX", 20.0)
    monkeypatch.setattr("api.services.replaced.OVER_SECONDS_MAX", 20.0)


async def started(made: World, body: dict[str, Any], name: str = "trader") -> str:
    """A session that runs."""
    answer = await made.post("/api/sessions", body, name)
    assert answer.status_code == 200, answer.text
    session: str = answer.json()["session"]
    await until_state(made, session, "running")
    return session


async def test_a_stop_ends_what_runs_whatever_mode_is_set(running: World) -> None:
    """A panel's stop ends the user's paper and collect sessions also when the mode was switched meanwhile, and says
    `stopped` only when none of theirs is left; what runs a job, and what is somebody else's, goes on."""
    mine = {await started(running, PAPER), await started(running, {"mode": "collect", "source": LIVE})}
    others = await started(running, PAPER, "admin")
    wish = SessionWish(mode="paper", source=LIVE, strategies=(StrategyWish(strategy="breakout"),))
    spec = plan(wish, "exec_of_a_job", "trader", running.house.lookups.library())
    await begin(running.house, msgspec.structs.replace(spec, job="job-1"), None, Start())
    await running.post("/api/system/mode", {"mode": "backtest"}, "admin")
    stopped = (await running.post("/api/system/stop", {})).json()
    assert set(stopped.pop("sessions")) == mine
    assert stopped == {"mode": "backtest", "status": "stopped", "left": []}
    for session in mine:
        assert (await running.get(f"/api/sessions/{session}")).json()["session"]["state"] == "stopped"
    await until_state(running, others, "running")
    assert (await running.get("/api/sessions/exec_of_a_job")).json()["session"]["state"] == "started"
    await running.post("/api/system/mode", {"mode": "paper"})
    assert (await running.post("/api/system/stop", {}, "admin")).json()["sessions"] == [others]


async def test_what_is_left_is_named(running: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more runs than one stop takes, the answer is `stopping` and names what is left, at every repeat under
    its key; the next one, under a new key, ends that. What trades is taken first."""
    collects = await started(running, {"mode": "collect", "source": LIVE})
    trades = await started(running, PAPER)
    monkeypatch.setattr("api.services.trading.ENDED_SECONDS_MAX", 1.0)
    every = Desk._chosen
    monkeypatch.setattr(Desk, "_chosen", lambda desk, command: every(desk, command)[:1])
    key = {"Idempotency-Key": "stop-1"}
    first = (await running.post("/api/system/stop", {}, **key)).json()
    assert first == {"sessions": [trades], "mode": "paper", "status": "stopping", "left": [collects]}
    second = (await running.post("/api/system/stop", {}, **{"Idempotency-Key": "stop-2"})).json()
    assert second == {"sessions": [collects], "mode": "paper", "status": "stopped", "left": []}
    assert (await running.post("/api/system/stop", {}, **key)).json() == first
    assert (await running.get("/api/system/status", "trader")).json()["own_sessions"] == []


async def test_what_a_start_replaced_is_told_as_it_ended(running: World) -> None:
    """The answer to a restart tells of the session that ran how it ended, not that it runs."""
    session = await started(running, PAPER)
    anew = (await running.post("/api/system/restart", {})).json()
    (one,) = anew["replaced"]
    assert (one["session_id"], one["state"], one["reason"]) == (session, "stopped", "replaced")
    await running.post("/api/system/stop", {})


async def test_the_state_says_whose_sessions_run(running: World) -> None:
    """A panel knows whether its stop would end anything: of its own user, what runs and what would be ended; of
    everybody beside it. Without a token nobody's are one's own, and what runs a job is nowhere."""

    async def told(name: str = "") -> tuple[Any, ...]:
        body = (await running.get("/api/system/status", name)).json()
        return body["running"], body["own_running"], body["own_sessions"]

    assert (await told(), await told("trader")) == ((False, None, []), (False, False, []))
    session = await started(running, PAPER)
    assert (await told("trader"), await told("admin")) == ((True, True, [session]), (True, False, []))
    body = (await running.get("/api/system/status")).json()
    assert [(one["session_id"], one["user"]) for one in body["sessions"]] == [(session, "trader")]
    await running.post("/api/system/stop", {}, "admin")
    assert await told() == (True, None, [])
    await running.post("/api/system/stop", {})
    assert (await told("trader"), await told("admin")) == ((False, False, []), (False, False, []))
