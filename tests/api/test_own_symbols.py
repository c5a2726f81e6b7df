"""What a session was started with, it takes orders by, whoever else has an instrument of the same letters."""

from __future__ import annotations

import pytest

from tests.api.recordings import LIVE
from tests.api.worlds import World, until_state

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRADED, OTHER, ASKED = "BTC_USDT", "BTCUSDT", "btc/usdt"
ORDER = {"side": "buy", "quantity": 1.0, "type": "limit", "price": 1.0}


async def test_a_session_knows_its_own_symbol_by_its_letters(running: World) -> None:
    """Orders with a session and without, a halt, and the session's own orders; of no session it may be either."""
    told = {"symbol": OTHER, "exchange": "ELSEWHERE"}
    assert (await running.post("/api/instruments", told, "admin")).status_code == 200
    wish = {"mode": "paper", "source": LIVE, "strategies": [{"strategy": "breakout"}], "symbols": [ASKED]}
    session = (await running.post("/api/sessions", wish)).json()["session"]
    await until_state(running, session, "running")
    asked = ORDER | {"symbol": ASKED}
    for key in ("", "once", "once"):
        headers = running.bearer("trader") | ({"Idempotency-Key": key} if key else {})
        answer = await running.client.post("/api/executions", json=asked, headers=headers)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["session_id"], answer.json()["symbol"]) == (session, TRADED)
    assert (await running.post("/api/executions", asked | {"session_id": session})).status_code == 200
    order = {"symbol": ASKED, "side": "sell", "quantity": 1.0, "kind": "limit", "price": 9e9}
    assert (await running.post(f"/api/sessions/{session}/orders", order)).status_code == 200
    halt = {"strategy": "breakout", "symbol": ASKED, "halted": True}
    done = await running.post(f"/api/sessions/{session}/halt", halt)
    assert done.status_code == 200, done.text
    await running.caught_up()
    for path in (
        f"/api/sessions/{session}/orders?symbol={ASKED}",
        f"/api/executions?session_id={session}&symbol={ASKED}",
    ):
        assert (await running.get(path)).status_code == 200
    for exact in (OTHER, f"{OTHER}@ELSEWHERE"):  # an instrument of its own, and not what is traded
        for wish in ({}, {"session_id": session}):
            answer = await running.post("/api/executions", asked | wish | {"symbol": exact})
            assert answer.status_code in (404, 409), answer.text
            assert TRADED not in answer.json()["error_message"]
        found = await running.get(f"/api/sessions/{session}/orders?symbol={exact}")
        assert (found.status_code, found.json()["rows"]) == (200, [])
    nowhere = await running.post("/api/executions", asked | {"symbol": f"{TRADED}@NOWHERE"})
    assert (nowhere.status_code, nowhere.json()["field"]) == (404, "symbol")
    either = await running.get(f"/api/executions?symbol={ASKED}")
    assert (either.status_code, either.json()["field"]) == (400, "symbol")
