"""Contract 000, session control: every entry of the inventory as a case, run against the application and an engine."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.api.asgi_socket import connected
from tests.api.recordings import LiveSource
from tests.api.worlds import World, until_state
from tests.documents.proving import prove
from tests.documents.shapes import inventory, misfits

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECORDING = "rec_" + "a" * 16
START: dict[str, Any] = {
    "session_type": "paper",
    "symbols": ["BTC_USDT", "ETH_USDT"],
    "strategy_config": {"strategies": ["pump_v2", "dump_v2"]},
    "config": {
        "budget": {"global_cap": 1000, "allocations": {}},
        "stop_loss_percent": 5.0,
        "take_profit_percent": 10.0,
        "max_position_size": 100,
    },
    "idempotent": True,
}
BACKTEST: dict[str, Any] = START | {
    "session_type": "backtest",
    "config": START["config"] | {"session_id": RECORDING, "acceleration_factor": 0},
}
SESSION_ID = re.compile(r"exec_\d{8}_\d{6}_[0-9a-z]{6}")
ENTRIES = inventory("s0.")


async def start(made: World, body: dict[str, Any], name: str = "trader", **headers: str) -> str:
    """Start a session; its id."""
    answer = await made.post("/sessions/start", body, name, **headers)
    assert answer.status_code == 200, answer.text
    assert misfits(answer.json(), ENTRIES["s0.sessions.start"]["response_shape"]) == []
    session: str = answer.json()["data"]["data"]["session_id"]
    assert SESSION_ID.fullmatch(session)
    return session


async def stop(made: World, session: str, name: str = "trader") -> dict[str, Any]:
    """Stop a session and wait until it has."""
    answer = await made.post("/sessions/stop", {"session_id": session}, name)
    assert answer.status_code == 200, answer.text
    await until_state(made, session, "stopped", "completed")
    body: dict[str, Any] = answer.json()
    return body


async def lists_strategies(made: World) -> None:
    """Every strategy, in the envelope; without a token 401."""
    answer = await made.get("/api/strategies", "viewer")
    assert misfits(answer.json(), ENTRIES["s0.strategies.list"]["response_shape"]) == []
    found = {one["id"]: one for one in answer.json()["data"]["strategies"]}
    assert {"pump_v2", "dump_v2", "ema_cross", "mean_reversion", "breakout", "grid"} <= set(found)
    assert found["pump_v2"]["enabled"] is True
    assert (await made.get("/api/strategies")).status_code == 401


async def lists_symbols_with_prices(made: World) -> None:
    """Every registered symbol with its newest price, also one that has none."""
    answer = await made.get("/api/exchange/symbols")
    assert misfits(answer.json(), ENTRIES["s0.exchange.symbols"]["response_shape"]) == []
    found = {one["symbol"]: one for one in answer.json()["data"]["symbols"]}
    bitcoin = found["BTC_USDT"]
    assert bitcoin["name"] == "BTC/USDT"
    assert bitcoin["low24h"] <= bitcoin["price"] <= bitcoin["high24h"]
    assert bitcoin["volume24h"] > 0
    assert set(found) == set((await made.get("/symbols")).json())


async def lists_recorded_sessions(made: World) -> None:
    """Recordings without an envelope; the limit is echoed and the total is of all."""
    answer = await made.get("/api/data-collection/sessions?limit=1")
    body = answer.json()
    assert misfits(body, ENTRIES["s0.datacollection.sessions"]["response_shape"]) == []
    assert (len(body["sessions"]), body["limit"]) == (1, 1)
    whole = (await made.get("/api/data-collection/sessions")).json()
    assert whole["limit"] == 50
    assert whole["total_count"] == body["total_count"] == len(whole["sessions"]) >= 2
    recorded = next(one for one in whole["sessions"] if one["session_id"] == RECORDING)
    assert (recorded["status"], recorded["data_types"]) == ("completed", ["tick_prices"])
    assert recorded["records_collected"] > 10_000
    assert recorded["duration"] in ("59m 59s", "1h")


async def starts_and_stops(made: World) -> None:
    """A paper session starts, shows in the list, stops, and starts again."""
    session = await start(made, START)
    seen = {"Tape-Min-Sequence": str(await made.last())}
    listed = (await made.get("/api/sessions?state=running,started", **seen)).json()["rows"]
    assert session in [one["session"] for one in listed]
    body = await stop(made, session)
    assert misfits(body, ENTRIES["s0.sessions.stop"]["response_shape"]) == []
    assert body["data"]["data"]["session_id"] == session
    again = await start(made, START | {"config": START["config"] | {"daily_loss_percent": 2.5}})
    assert again != session
    kept = [(await made.get(f"/api/sessions/{one}")).json()["spec"]["limits"] for one in (session, again)]
    configured = (await made.get("/api/v1/config")).json()["data"]["risk"]["maxDailyLoss"]
    assert [one["daily_loss_ratio"] for one in kept] == [configured, 0.025]
    await stop(made, again)


async def stops_unknown_sessions_with_404(made: World) -> None:
    """A session that is not there is a 404; one that has stopped is answered the same again."""
    assert (await made.post("/sessions/stop", {"session_id": "exec_20251118_150123_xyz789"})).status_code == 404
    session = await start(made, START)
    assert await stop(made, session) == await stop(made, session)


async def lists_plain_symbols(made: World) -> None:
    """A bare list of strings."""
    answer = await made.get("/symbols")
    assert misfits(answer.json(), ENTRIES["s0.symbols.simple"]["response_shape"]) == []
    assert {"BTC_USDT", "ETH_USDT"} <= set(answer.json())


async def broadcasts_starts(made: World) -> None:
    """Every client of the WebSocket hears of a session that starts, of one that ends, and gets its pong."""
    async with connected(made.app) as one, connected(made.app) as other:
        for socket in (one, other):
            await socket.send({"type": "ping"})
            assert (await socket.receive())["type"] == "pong"
        session = await start(made, START)
        for socket in (one, other):
            message = await socket.receive()
            assert misfits(message, ENTRIES["s0.ws.session_started"]["response_shape"]) == []
            assert (message["type"], message["data"]["session_id"]) == ("session_started", session)
            assert message["data"]["symbols"] == START["symbols"]
        await stop(made, session)
        assert (await one.receive())["type"] == "session_stopped"


async def wraps_successes(made: World) -> None:
    """Where the contract has an envelope a success says `response` and a failure something else."""
    answers = [await made.get("/api/strategies", "viewer"), await made.get("/api/exchange/symbols")]
    for answer in answers:
        assert misfits(answer.json(), ENTRIES["s0.rule.envelope"]["response_shape"]) == []
    assert (await made.post("/sessions/start", {})).json()["type"] != "response"


async def words_errors(made: World) -> None:
    """A failure carries what a front end shows."""
    for answer in (await made.post("/sessions/start", {}), await made.get("/api/strategies"), await made.get("/x")):
        body = answer.json()
        assert misfits(body, ENTRIES["s0.rule.error_body"]["response_shape"]) == []
        assert body["error_message"]


async def asks_for_tokens(made: World) -> None:
    """Strategies, start and stop ask for a token, and a good one suffices."""
    calls = [("GET", "/api/strategies"), ("POST", "/sessions/start"), ("POST", "/sessions/stop")]
    for method, path in calls:
        for token in ({}, {"Authorization": "Bearer junk"}):
            answer = await made.client.request(method, path, json={} if method == "POST" else None, headers=token)
            assert answer.status_code == 401, (method, path, token)


async def asks_for_csrf_tokens(made: World) -> None:
    """Start and stop ask for the CSRF token that login and status give."""
    status = (await made.get("/api/auth/status", "trader")).json()
    headers = made.bearer("trader")
    assert (await made.client.post("/sessions/stop", json={}, headers=headers)).status_code == 403
    login = {"username": "trader", "password": "correct horse battery"}
    pair = (await made.client.post("/api/auth/login", json=login)).json()
    headers = {"Authorization": f"Bearer {pair['access_token']}", "X-CSRF-Token": pair["csrf_token"]}
    assert (await made.client.post("/sessions/stop", json={}, headers=headers)).status_code == 400
    assert len(status["csrf_token"]) == len(pair["csrf_token"]) == 64


async def keeps_prices_five_minutes(made: World) -> None:
    """Two quick calls are identical, whatever happens between them; a moment of its own is not kept."""
    first = await made.get("/api/exchange/symbols")
    await LiveSource(made.tape, ("SOL_USDT",), "live-2").open()
    last = await made.caught_up()
    second = await made.get("/api/exchange/symbols")
    assert second.content == first.content
    wanted = await made.get("/api/exchange/symbols", **{"Tape-Min-Sequence": str(last)})
    assert "SOL_USDT" in [one["symbol"] for one in wanted.json()["data"]["symbols"]]
    assert made.house.settings.api.symbols_cache_seconds == 300


async def checks_starts(made: World) -> None:
    """A required field that is missing, and a backtest without a recording, are 400."""
    for missing in ("session_type", "symbols", "strategy_config"):
        body = {name: value for name, value in START.items() if name != missing}
        assert (await made.post("/sessions/start", body)).status_code == 400, missing
    without = BACKTEST | {"config": START["config"]}
    answer = await made.post("/sessions/start", without)
    assert (answer.status_code, answer.json()["field"]) == (400, "config.session_id")


async def starts_every_type(made: World) -> None:
    """Paper on the tail and over a recording, backtest and collect start; live is refused for want of a venue."""
    backtest = await start(made, BACKTEST)
    assert (await until_state(made, backtest, "completed"))["mode"] == "backtest"
    paced = START | {"config": START["config"] | {"session_id": RECORDING, "acceleration_factor": 0}}
    paper = await start(made, paced)
    ended = await until_state(made, paper, "completed")
    assert (ended["recording"], ended["research"]) == (RECORDING, False)
    same = (await made.get(f"/api/sessions/{backtest}")).json()["session"]["decision_hash"]
    assert ended["decision_hash"] == same
    collect = await made.post("/sessions/start", {"session_type": "collect", "symbols": ["BTC_USDT"]})
    assert collect.status_code == 200, collect.text
    live = await made.post("/sessions/start", START | {"session_type": "live"})
    assert (live.status_code, live.json()["error_code"]) == (501, "NO_VENUE")
    assert "venue" in live.json()["error_message"]
    nothing = await made.post("/sessions/start", START | {"session_type": "live", "symbols": ["NOSUCH_USDT"]})
    assert (nothing.status_code, nothing.json()["field"]) == (400, "symbols")  # as of a paper session


async def replaces_on_restart(made: World) -> None:
    """Another body ends the same user's running session of the type first; another user's goes on."""
    mine = await start(made, START)
    theirs = await start(made, START, "admin")
    other = await start(made, START | {"config": {"budget": {"global_cap": 500}}})
    assert (await until_state(made, mine, "stopped"))["reason"] == "replaced"
    await until_state(made, other, "running")
    await until_state(made, theirs, "running")
    await stop(made, other)
    await stop(made, theirs, "admin")


async def answers_repeats_with_the_same_session(made: World) -> None:
    """The same body again while it runs, and the same key however late, are answered with the same session."""
    session = await start(made, START, **{"Idempotency-Key": "k-1"})
    assert await start(made, START) == session
    assert await start(made, START, **{"Idempotency-Key": "k-1"}) == session
    different = START | {"idempotent": False}
    other = await start(made, different)
    assert other != session
    await stop(made, other)
    assert await start(made, START, **{"Idempotency-Key": "k-1"}) == session
    assert (await made.get(f"/api/sessions/{session}")).json()["session"]["state"] == "stopped"


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s0.strategies.list": lists_strategies,
    "s0.exchange.symbols": lists_symbols_with_prices,
    "s0.datacollection.sessions": lists_recorded_sessions,
    "s0.sessions.start": starts_and_stops,
    "s0.sessions.stop": stops_unknown_sessions_with_404,
    "s0.symbols.simple": lists_plain_symbols,
    "s0.ws.session_started": broadcasts_starts,
    "s0.rule.envelope": wraps_successes,
    "s0.rule.error_body": words_errors,
    "s0.rule.jwt": asks_for_tokens,
    "s0.rule.csrf": asks_for_csrf_tokens,
    "s0.rule.symbols_cache": keeps_prices_five_minutes,
    "s0.rule.start_validation": checks_starts,
    "s0.rule.session_types": starts_every_type,
    "s0.rule.restart": replaces_on_restart,
    "s0.rule.idempotent": answers_repeats_with_the_same_session,
}


@pytest.mark.parametrize("entry", CASES)
async def test_entry(made: World, entry: str) -> None:
    """What the contract documents is so."""
    await prove(made, CASES, entry)


@pytest.mark.usefixtures("made")
async def test_every_entry_has_a_case() -> None:
    """No entry of the contract is left out."""
    assert set(ENTRIES) == set(CASES)


async def test_the_slash_is_another_contracts(made: World) -> None:
    """`/api/strategies/` is told apart from `/api/strategies` by the raw path alone."""
    assert isinstance((await made.get("/api/strategies/")).json(), list)
    assert (await made.get("/api/strategies", "viewer")).json()["type"] == "response"
