"""Contract 001, keys of exchanges: stored encrypted, shown as hints to their user alone, changed, removed for ever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import httpx
import pytest

from api.auth.keys import Secrets
from events.errors import NotAvailable, Unknown
from tests.api.worlds import World
from tests.documents.shapes import inventory, misfits

ENTRIES = inventory("s1.")
KEY, SECRET = "abcdEFGHijklMNOP1234", "wxyzSECRETsecretSECRET5678"
_numbers = count()
BODY = {"provider_id": "binance", "environment": "testnet", "api_key": KEY, "api_secret": SECRET, "label": "Mine"}


async def send(
    made: World, method: str, path: str, body: Any = None, name: str = "trader", **more: str
) -> httpx.Response:
    """A request of a user; no answer has a secret in it."""
    answer = await made.client.request(method, path, json=body, headers={**made.bearer(name), **more})
    assert KEY not in answer.text
    assert SECRET not in answer.text
    return answer


async def store(made: World, name: str = "trader", **changes: Any) -> str:
    """Store a key of its own, unless told which; its id."""
    own = {"api_key": f"{KEY[:4]}{next(_numbers):012}{KEY[-4:]}"}
    answer = await send(made, "POST", "/api/keys/", BODY | own | changes, name)
    assert answer.status_code == 200, answer.text
    assert misfits(answer.json(), ENTRIES["s1.keys.create"]["response_shape"]) == []
    found: str = answer.json()["id"]
    return found


async def listed(made: World, name: str = "trader") -> dict[str, dict[str, Any]]:
    """A user's keys by id."""
    answer = await send(made, "GET", "/api/keys/", name=name)
    assert misfits(answer.json(), ENTRIES["s1.keys.list"]["response_shape"]) == []
    return {one["id"]: one for one in answer.json()}


async def lists_ones_own(made: World) -> None:
    """A user's own keys with hints, nobody else's; also without the slash."""
    mine, other = await store(made), await store(made, "admin", label=None)
    found = await listed(made)
    assert other not in found
    assert mine not in await listed(made, "admin")
    shown = {name: found[mine][name] for name in ("provider_id", "provider_name", "environment", "label")}
    assert shown == {"provider_id": "binance", "provider_name": "Binance", "environment": "testnet", "label": "Mine"}
    assert (await send(made, "GET", "/api/keys")).json() == list(found.values())
    assert (await made.client.get("/api/keys/")).status_code == 401


async def hides_secrets(made: World) -> None:
    """The first and last four characters of long ones; most of a short one stays hidden."""
    ident = await store(made)
    one = (await listed(made))[ident]
    assert (one["api_key_hint"], one["api_secret_hint"]) == ("abcd...1234", "wxyz...5678")
    brief = await store(made, api_key="12345678", api_secret="xyz")
    short = (await listed(made))[brief]
    assert (short["api_key_hint"], short["api_secret_hint"]) == ("12...78", "...")


async def stores(made: World) -> None:
    """Once under one key; what is wrong is named without repeating any of it; a viewer stores nothing."""
    headers = {"Idempotency-Key": "k-1"}
    first = await send(made, "POST", "/api/keys/", BODY, **headers)
    again = await send(made, "POST", "/api/keys/", BODY, **headers)
    assert first.json() == again.json()
    assert first.json()["message"] == "API key stored successfully"
    ident = first.json()["id"]
    assert await made.house.keys.secrets_of("trader", ident) == Secrets(KEY, SECRET)
    for change, field in (
        ({"api_key": ""}, "api_key"),
        ({"api_secret": None}, "api_secret"),
        ({"api_secret": [SECRET]}, "api_secret"),
        ({"provider_id": "../x"}, "provider_id"),
        ({"provider_id": "nope"}, "provider_id"),
        ({"environment": "moon"}, "environment"),
        ({"environment": ""}, "environment"),
        ({"label": "x" * 201}, "label"),
        ({"surely_unknown": SECRET}, "surely_unknown"),
    ):
        wrong = await send(made, "POST", "/api/keys/", BODY | change)
        assert (wrong.status_code, wrong.json()["field"]) == (400, field), wrong.text
    assert "binance, binanceus" in (await send(made, "POST", "/api/keys/", BODY | {"provider_id": "nope"})).text
    assert "live, demo, paper" in (await send(made, "POST", "/api/keys/", BODY | {"environment": "moon"})).text
    twice = await send(made, "POST", "/api/keys/", BODY | {"provider_id": "Binance", "environment": "TESTNET"})
    assert (twice.status_code, twice.json()["field"], ident in twice.text) == (409, "api_key", True), twice.text
    assert (await send(made, "POST", "/api/keys/", BODY, "viewer")).status_code == 403


async def updates(made: World) -> None:
    """What is left out stays, secrets too; another's key and one that is not there are 404."""
    ident = await store(made, provider_id="okx", api_key=KEY)
    path = f"/api/keys/{ident}"
    answer = await send(made, "PUT", path, {"label": "Other"})
    assert answer.json() == ENTRIES["s1.keys.update"]["response_example"]
    assert (await listed(made))[ident]["label"] == "Other"
    assert await made.house.keys.secrets_of("trader", ident) == Secrets(KEY, SECRET)
    assert (await send(made, "PUT", path, {"api_secret": "another secret of mine"})).status_code == 200
    assert await made.house.keys.secrets_of("trader", ident) == Secrets(KEY, "another secret of mine")
    assert (await listed(made))[ident]["api_secret_hint"] == "anot...mine"
    assert (await send(made, "PUT", path, {})).status_code == 200
    assert (await send(made, "PUT", path, {"label": None})).status_code == 200
    assert (await listed(made))[ident]["label"] is None
    for name, other in (("admin", path), ("trader", "/api/keys/nosuch")):
        missing = await send(made, "PUT", other, {"label": "x"}, name)
        assert (missing.status_code, missing.json()["detail"]) == (404, "API key not found.")


async def deletes(made: World) -> None:
    """Gone from the list, and from then on nobody can decrypt it, with the stream and the master key in hand."""
    ident = await store(made)
    held = made.house.keys.find("trader", ident)
    assert (await send(made, "DELETE", f"/api/keys/{ident}", name="admin")).status_code == 404
    answer = await send(made, "DELETE", f"/api/keys/{ident}")
    assert answer.json() == ENTRIES["s1.keys.delete"]["response_example"]
    assert ident not in await listed(made)
    for missing in (ident, "nosuch"):
        again = await send(made, "DELETE", f"/api/keys/{missing}")
        assert (again.status_code, again.json()["detail"]) == (404, "API key not found.")
    with pytest.raises(Unknown):
        await made.house.keys.secrets_of("trader", ident)
    with pytest.raises(NotAvailable):
        made.house.keys.sealed.open(held.data_key, held.environment, held.sealed)


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s1.keys.list": lists_ones_own,
    "s1.keys.create": stores,
    "s1.keys.update": updates,
    "s1.keys.delete": deletes,
    "s1.rule.key_hints": hides_secrets,
    "s1.rule.key_soft_delete": deletes,
}
