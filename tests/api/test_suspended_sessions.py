"""Sessions that were started under other code: what the panel says of them, and what a start does with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.sessions.decider import Decider
from tests.api import worlds
from tests.api.recordings import LiveSource, ticks
from tests.api.worlds import World, until_state, world
from tests.documents.cases_003_operations import processes
from tests.engine.sessions.memory_house import until

BODY: dict[str, Any] = {
    "session_type": "paper",
    "symbols": ["BTC_USDT"],
    "strategy_config": {"strategies": ["pump_v2"]},
    "config": {"budget": {"global_cap": 100_000, "allocations": {}}},
    "idempotent": True,
}


async def held(made: World, source: LiveSource) -> str:
    """A paper session that holds a coin."""
    await source.open()
    session: str = (await made.post("/sessions/start", BODY)).json()["data"]["data"]["session_id"]
    await until_state(made, session, "running")
    await source.give(ticks(3))
    order = {"symbol": "BTC_USDT", "side": "buy", "quantity": 1.0}
    placed = await made.post(f"/api/sessions/{session}/orders", order)
    assert (placed.status_code, placed.json()["status"]) == (200, "placed"), placed.text
    await source.give(ticks(3, 6))

    async def filled() -> bool:
        return bool((await made.get(f"/api/sessions/{session}/fills")).json()["rows"])

    await until(filled)
    return session


async def is_told(made: World, session: str) -> None:
    """What is suspended is not said to run, and engines are not said to be well; its positions count all the same."""
    async with processes(made):
        status = (await made.get("/api/system/status")).json()
        engine = (await made.get("/api/health/components")).json()["components"]["engine"]
    assert (status["running"], status["sessions"][0]["state"]) == (False, "suspended")
    assert (status["status"], status["components"]["engine"], engine["status"]) == ("warn", "warn", "warn")
    assert f"1 suspended: {session} of trader decides nothing, it was started under code" in engine["details"]
    health = (await made.get("/api/health")).json()
    assert (health["status"], health["components"]["engines"]["status"]) == ("degraded", "warn")
    assert [one["symbol"] for one in (await made.get("/portfolio")).json()["positions"]] == ["BTC_USDT"]


@pytest.mark.asyncio
async def test_a_session_of_other_code_does_not_run_and_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an upgrade nobody is told that a suspended session runs; a start of the panel, and an idempotent one of
    session control, begin anew, end it, and say what it still held."""
    async with world(tmp_path, engine=True) as before:
        session = await held(before, LiveSource(before.tape))
        tape, vault = before.tape, before.vault
    monkeypatch.setattr(Decider, "code_hash", property(lambda _: "other"))
    monkeypatch.setattr(worlds, "code_hash", lambda *_: "other")
    async with world(tmp_path, tape=tape, vault=vault, engine=True) as made:
        await until_state(made, session, "suspended")
        await is_told(made, session)
        begun = (await made.post("/api/system/start", {})).json()
        assert (begun["status"], begun["changed"], begun["session_id"] != session) == ("started", True, True)
        [one] = begun["replaced"]
        assert (one["session_id"], one["state"], one["reason"]) == (session, "stopped", "replaced")
        assert one["error_message"].endswith(", found other")
        assert [(lot["symbol"], lot["quantity"]) for lot in one["open_positions"]] == [("BTC_USDT", 1.0)]
        last: str = begun["session_id"]
        await until_state(made, last, "running")
        again = (await made.post("/api/system/start", {})).json()
        assert (again["session_id"], again["changed"], again["replaced"]) == (last, False, [])
        assert (await made.get("/api/system/status")).json()["running"] is True
    monkeypatch.setattr(Decider, "code_hash", property(lambda _: "third"))
    monkeypatch.setattr(worlds, "code_hash", lambda *_: "third")
    async with world(tmp_path, tape=tape, vault=vault, engine=True) as made:
        await until_state(made, last, "suspended")
        anew = (await made.post("/sessions/start", BODY)).json()["data"]["data"]
        assert [(one["session_id"], one["open_positions"]) for one in anew["replaced"]] == [(last, [])]
        same = (await made.post("/sessions/start", BODY)).json()["data"]["data"]
        assert (same["session_id"], same["replaced"]) == (anew["session_id"], [])
        await made.post("/api/system/stop", {})
