"""Contract 004, instruments: registered, changed, removed; what sessions make of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.api.worlds import World, until_state
from tests.documents.shapes import misfits

ITEM = {
    "id": "number",
    "symbol": "string",
    "name": "string",
    "exchange": "string",
    "type": "string",
    "base": "string",
    "quote": "string",
    "price_step": "number",
    "quantity_step": "number",
    "notional_min": "number",
    "maker_fee_ratio": "number",
    "taker_fee_ratio": "number",
    "primary_source": "string",
    "status": "string",
    "updated_at": "string:datetime",
}


async def send(made: World, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    """A request of a trader."""
    return await made.client.request(method, path, json=body, headers={**made.bearer("trader"), **headers})


async def create(made: World, symbol: str, **more: Any) -> dict[str, Any]:
    """Register an instrument; the item."""
    answer = await send(made, "POST", "/api/instruments", {"symbol": symbol, "exchange": "mexc"} | more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert misfits(found, ITEM) == []
    return found


async def lists(made: World) -> None:
    """Those of sources and imports and those made by hand, without a token."""
    mine = await create(made, "LISTED_USDT")
    answer = await made.get("/api/instruments")
    assert misfits(answer.json(), [ITEM]) == []
    assert mine in answer.json()
    assert {"BTC_USDT", "ETH_USDT"} <= {one["symbol"] for one in answer.json()}
    assert (await made.get("/api/instruments?symbol=LISTED_USDT&exchange=mexc")).json() == [mine]
    assert (await made.get(f"/api/instruments/{mine['id']}")).json() == mine
    assert (await made.get("/api/instruments?limit=1")).json()[0]["id"] == 1


async def creates(made: World) -> None:
    """The contract's body; the same under one key once; an instrument once; bad bodies name their field."""
    body = {"symbol": "CHK_USDT", "name": "Example coin", "exchange": "mexc", "type": "crypto"}
    first = await send(made, "POST", "/api/instruments", body, **{"Idempotency-Key": "i-1"})
    again = await send(made, "POST", "/api/instruments", body, **{"Idempotency-Key": "i-1"})
    assert first.json() == again.json()
    item = first.json()
    assert (item["name"], item["base"], item["quote"], item["status"]) == ("Example coin", "CHK", "USDT", "active")
    last = await made.last()
    taken = await send(made, "POST", "/api/instruments", body)
    assert (taken.status_code, taken.json()["error_code"]) == (409, "INSTRUMENT_EXISTS")
    assert await made.last() == last
    kinds = {"EURCHF": "forex", "MSFT": "equity", "US30": "index", "SOL-PERP": "perpetual"}
    assert {symbol: (await create(made, symbol))["type"] for symbol in kinds} == kinds
    assert (await create(made, "NOVO_B", type="stocks"))["type"] == "equity"
    last = await made.last()
    for change, field in (
        ({"symbol": ""}, "symbol"),
        ({"symbol": "A@B"}, "symbol"),
        ({"symbol": "what12345is"}, "type"),
        ({"exchange": None}, "exchange"),
        ({"type": "gold"}, "type"),
        ({"price_step": -1}, "price_step"),
        ({"taker_fee_ratio": 2}, "taker_fee_ratio"),
        ({"quote": "a b"}, "quote"),
        ({"surely_unknown": 1}, "surely_unknown"),
    ):
        wrong = await send(made, "POST", "/api/instruments", {"symbol": "WRONG_USDT", "exchange": "mexc"} | change)
        assert (wrong.status_code, wrong.json()["field"]) == (400, field), wrong.text
    assert await made.last() == last


async def updates(made: World) -> None:
    """What is left out stays; a whole item may come back; reads as of before have it as it was."""
    item = await create(made, "UPD_USDT", price_step=0.01)
    path, then = f"/api/instruments/{item['id']}", await made.last()
    renamed = (await send(made, "PUT", path, {"name": "Example coin"})).json()
    assert renamed == item | {"name": "Example coin", "updated_at": renamed["updated_at"]}
    changed = (await send(made, "PUT", path, renamed | {"taker_fee_ratio": 0.0004})).json()
    assert (changed["taker_fee_ratio"], changed["price_step"]) == (0.0004, 0.01)
    assert (await made.get(path)).json() == changed
    assert (await made.get(f"{path}?as_of={then}")).json() == item
    other = await send(made, "PUT", path, {"symbol": "OTHER_USDT"})
    assert (other.status_code, other.json()["field"]) == (400, "symbol")
    for missing in ("999999", "nosuch", "-1", "9" * 40):
        answer = await send(made, "PUT", f"/api/instruments/{missing}", {"name": "x"})
        assert answer.status_code == 404, missing


async def deletes(made: World) -> None:
    """Gone from lists and for new sessions, there as of before; created again it has its id again."""
    item = await create(made, "DEL_USDT")
    path, then = f"/api/instruments/{item['id']}", await made.last()
    for _ in range(2):
        answer = await send(made, "DELETE", path, **{"Idempotency-Key": "d-1"})
        assert (answer.status_code, answer.json()["status"]) == (200, "deleted"), answer.text
    last = await made.last()
    assert (await send(made, "DELETE", path)).status_code == 404
    assert (await send(made, "PUT", path, {"name": "x"})).status_code == 404
    assert await made.last() == last
    assert (await made.get(path)).status_code == 404
    assert (await made.get(f"{path}?as_of={then}")).json() == item
    assert "DEL_USDT" not in (await made.get("/symbols")).json()
    assert (await create(made, "NEXT_USDT"))["id"] > item["id"]
    assert (await create(made, "DEL_USDT"))["id"] == item["id"]
    assert (await send(made, "DELETE", "/api/instruments/999999")).status_code == 404
    await _keeps_what_is_in_use(made)


async def _keeps_what_is_in_use(made: World) -> None:
    """While a session trades it the answer is 409 and names the session; the session keeps its terms."""
    found = (await made.get("/api/instruments?symbol=ETH_USDT")).json()[0]
    body = {"session_type": "paper", "symbols": ["ETH_USDT"], "strategy_config": {"strategies": ["grid"]}}
    started = await made.post("/sessions/start", body)
    session = started.json()["data"]["data"]["session_id"]
    await until_state(made, session, "running")
    refused = await send(made, "DELETE", f"/api/instruments/{found['id']}")
    assert (refused.status_code, refused.json()["error_code"]) == (409, "INSTRUMENT_TRADED")
    assert session in refused.json()["error_message"]
    await send(made, "PUT", f"/api/instruments/{found['id']}", {"taker_fee_ratio": 0.0123})
    spec = (await made.get(f"/api/sessions/{session}")).json()["spec"]
    assert spec["instruments"][0]["taker_fee_ratio"] == found["taker_fee_ratio"]
    await made.post("/sessions/stop", {"session_id": session})
    await until_state(made, session, "stopped")
    again = (await made.post("/sessions/start", body)).json()["data"]["data"]["session_id"]
    spec = (await made.get(f"/api/sessions/{again}")).json()["spec"]
    assert spec["instruments"][0]["taker_fee_ratio"] == 0.0123
    await made.post("/sessions/stop", {"session_id": again})
    await until_state(made, again, "stopped")
    assert (await send(made, "DELETE", f"/api/instruments/{found['id']}")).status_code == 200
    gone = await made.post("/sessions/start", body)
    assert (gone.status_code, gone.json()["field"]) == (404, "symbols")
    restored = {name: found[name] for name in ("symbol", "exchange", "type")}
    assert (await send(made, "POST", "/api/instruments", restored)).json()["id"] == found["id"]


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s4.instruments.list": lists,
    "s4.instruments.create": creates,
    "s4.instruments.update": updates,
    "s4.instruments.delete": deletes,
}
