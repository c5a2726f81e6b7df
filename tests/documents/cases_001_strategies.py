"""Contract 001, strategies: kinds, and configured strategies from their creation to their end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec

from tests.api.worlds import World
from tests.documents.shapes import inventory, misfits

ENTRIES = inventory("s1.")
KIND = "ema_cross"


async def send(made: World, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    """A request without a token, as contract 001 has it."""
    content = None if body is None else msgspec.json.encode(body)
    given = {**({"Content-Type": "application/json"} if content else {}), **headers}
    return await made.client.request(method, path, content=content, headers=given)


async def create(made: World, name: str, **more: Any) -> dict[str, Any]:
    """Create a strategy as the contract's example does; the item."""
    body = {"name": name, "type": KIND, "params": {"symbols": ["BTC_USDT"], "timeframe": "5m"}} | more
    answer = await send(made, "POST", "/api/strategies/", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert misfits(found, ENTRIES["s1.strategies.create"]["suggested_shape"]) == []
    return found


async def lists_kinds(made: World) -> None:
    """Every kind with its parameters: type, whether required, default, bounds, meaning."""
    answer = await made.get("/api/strategies/available")
    assert misfits(answer.json(), ENTRIES["s1.strategies.available"]["response_shape"]) == []
    found = {one["name"]: one for one in answer.json()}
    fast = found[KIND]["parameters"]["fast"]
    assert (fast["type"], fast["required"], fast["default"]) == ("int", False, 50)
    assert (fast["minimum"], fast["maximum"]) == (2, 5000)
    assert "rows" in fast["description"]
    assert set(found) >= {"pump_v2", "dump_v2", "breakout", "grid", "mean_reversion"}


async def lists_configured(made: World) -> None:
    """With the slash: configured strategies, bare and without a token; without it they stand beside the kinds."""
    item = await create(made, "Listed")
    answer = await made.get("/api/strategies/")
    assert misfits(answer.json(), ENTRIES["s1.strategies.list"]["response_shape"]) == []
    assert item in answer.json()
    both = (await made.get("/api/strategies", "viewer")).json()["data"]["strategies"]
    found = {one["id"]: one for one in both}
    assert found[item["id"]]["strategy_name"] == "Listed"
    assert (found[item["id"]]["enabled"], found[item["id"]]["kind"]) == (False, KIND)
    assert found[KIND]["enabled"] is True


async def gives_one(made: World) -> None:
    """One by id; an unknown id is a 404 that says so."""
    item = await create(made, "Single")
    answer = await made.get(f"/api/strategies/{item['id']}")
    assert answer.json() == item
    missing = await made.get("/api/strategies/nosuch-1")
    assert missing.status_code == 404
    assert missing.json()["detail"].startswith("Strategy not found")


async def creates(made: World) -> None:
    """A strategy of the contract's form; the same under one key once; a name once; bad bodies name their field."""
    body = {"name": "My New Strategy", "type": KIND, "params": {"symbols": ["BTC_USDT"], "timeframe": "5m", "fast": 9}}
    first = await send(made, "POST", "/api/strategies/", body, **{"Idempotency-Key": "create-1"})
    again = await send(made, "POST", "/api/strategies/", body, **{"Idempotency-Key": "create-1"})
    assert first.json() == again.json()
    item = first.json()
    assert (item["status"], item["params"]) == ("inactive", body["params"])
    assert (item["category"], item["tags"]) == ("trend", ["trend", "moving average"])
    last = await made.last()
    taken = await send(made, "POST", "/api/strategies/", body)
    assert (taken.status_code, taken.json()["error_code"]) == (409, "NAME_TAKEN")
    for change, field in (
        ({"type": "surely_unknown"}, "type"),
        ({"type": "MLPredictive", "name": ""}, "name"),
        ({"type": "MLPredictive", "params": {"timeframe": "7m"}}, "params.timeframe"),
        ({"params": {"fast": 1}}, "params.fast"),
        ({"params": {"fast": "9"}}, "params.fast"),
        ({"params": {"model_path": "x"}}, "params.model_path"),
        ({"params": {"timeframe": "7m"}}, "params.timeframe"),
        ({"params": {"symbols": "BTC_USDT"}}, "params.symbols"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"direction": "up"}, "direction"),
        ({"surely_unknown": 1}, "surely_unknown"),
    ):
        wrong = await send(made, "POST", "/api/strategies/", body | {"name": "Wrong"} | change)
        assert (wrong.status_code, wrong.json()["field"]) == (400, field), wrong.text
    assert KIND in (await send(made, "POST", "/api/strategies/", body | {"type": "x"})).json()["detail"]
    documented = await send(made, "POST", "/api/strategies/", ENTRIES["s1.strategies.create"]["request_example"])
    assert (documented.status_code, documented.json()["error_code"]) == (501, "LEARNING_NOT_AVAILABLE")
    assert await made.last() == last


async def updates(made: World) -> None:
    """What is left out stays; reads as of before have it as it was; an unknown id is a 404."""
    item = await create(made, "Before", params={"symbols": ["BTC_USDT"], "fast": 7, "slow": 70})
    path, then = f"/api/strategies/{item['id']}", await made.last()
    renamed = (await send(made, "PUT", path, {"name": "Renamed strategy"})).json()
    assert renamed == item | {"name": "Renamed strategy", "updated_at": renamed["updated_at"]}
    changed = (await send(made, "PUT", path, {"params": {"fast": 8, "slow": None}, "tags": ["mine"]})).json()
    assert changed["params"] == {"symbols": ["BTC_USDT"], "fast": 8}
    assert (changed["name"], changed["tags"]) == ("Renamed strategy", ["mine"])
    assert (await made.get(path)).json() == changed
    assert (await made.get(f"{path}?as_of={then}")).json() == item
    assert (await send(made, "PUT", "/api/strategies/nosuch-1", {"name": "x"})).status_code == 404
    emptied = (await send(made, "PUT", path, {"params": {"symbols": None, "timeframe": None}})).json()
    assert emptied["params"] == {"fast": 8}
    await takes_over_what_was_the_kinds_own(made, path)
    wrong = await send(made, "PUT", path, {"params": {"fast": 90, "slow": 10}})
    assert (wrong.status_code, wrong.json()["field"]) == (400, "params")


async def takes_over_what_was_the_kinds_own(made: World, path: str) -> None:
    """Another kind brings its category; tags that a user chose stay."""
    kinds = {one["name"]: one for one in (await made.get("/api/strategies/available")).json()}
    for kind in ("grid", KIND):
        other = (await send(made, "PUT", path, {"type": kind})).json()
        assert (other["type"], other["category"], other["tags"]) == (kind, kinds[kind]["category"], ["mine"])
    assert kinds["grid"]["category"] != kinds[KIND]["category"]


async def deletes(made: World) -> None:
    """Gone from then on, still there as of before; a second time it is a 404, under its key the first answer."""
    item = await create(made, "Short-lived")
    path, then = f"/api/strategies/{item['id']}", await made.last()
    for _ in range(2):
        answer = await send(made, "DELETE", path, **{"Idempotency-Key": "delete-1"})
        assert (answer.status_code, answer.json()["status"]) == (200, "deleted"), answer.text
    last = await made.last()
    assert (await send(made, "DELETE", path)).status_code == 404
    assert (await send(made, "PUT", path, {"name": "Another"})).status_code == 404
    assert (await send(made, "POST", f"{path}/activate")).status_code == 404
    assert await made.last() == last
    assert (await made.get(path)).status_code == 404
    assert (await made.get(f"{path}?as_of={then}")).json() == item
    assert item["id"] not in [one["id"] for one in (await made.get("/api/strategies/")).json()]
    assert (await create(made, "Short-lived"))["id"] != item["id"]
    assert (await send(made, "DELETE", "/api/strategies/nosuch-1")).status_code == 404


async def activates(made: World) -> None:
    """Its status becomes active, however often it is asked."""
    item = await create(made, "Switched on")
    for _ in range(2):
        answer = await send(made, "POST", f"/api/strategies/{item['id']}/activate")
        assert misfits(answer.json(), ENTRIES["s1.strategies.activate"]["suggested_shape"]) == []
        assert answer.json()["status"] == "active"
    assert (await send(made, "POST", "/api/strategies/nosuch-1/activate")).status_code == 404


async def deactivates(made: World) -> None:
    """Its status leaves active."""
    item = await create(made, "Switched off")
    await send(made, "POST", f"/api/strategies/{item['id']}/activate")
    answer = await send(made, "POST", f"/api/strategies/{item['id']}/deactivate")
    assert answer.json()["status"] == "inactive"
    assert (await send(made, "POST", "/api/strategies/nosuch-1/deactivate")).status_code == 404


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s1.strategies.available": lists_kinds,
    "s1.strategies.list": lists_configured,
    "s1.strategies.get": gives_one,
    "s1.strategies.create": creates,
    "s1.strategies.update": updates,
    "s1.strategies.delete": deletes,
    "s1.strategies.activate": activates,
    "s1.strategies.deactivate": deactivates,
}
