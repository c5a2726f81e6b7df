"""Contract 004, rules that hold for all of it, login, health, and the pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.api.paths import filled
from tests.api.worlds import PASSWORD, World
from tests.documents.routes import is_mounted
from tests.documents.shapes import inventory

ENTRIES = inventory("s4.")
FRONT_END = "http://localhost:3000"
BY_001 = ("s4.models.train",)  # 001 has the same path open (C11)


async def logs_in(made: World) -> None:
    """Name and password give tokens that routes take; a wrong password gives none, a wrong body names its field."""
    answer = await made.client.post("/api/auth/login", json={"username": "trader", "password": PASSWORD})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["user"], body["role"], body["token_type"]) == ("trader", "trader", "Bearer")
    token = {"Authorization": f"Bearer {body['access_token']}"}
    assert (await made.client.get("/api/strategies", headers=token)).status_code == 200
    refreshed = await made.client.post("/api/auth/refresh", json={"refresh_token": body["refresh_token"]})
    assert refreshed.json()["access_token"]
    await _uses_up(made, body["refresh_token"], refreshed.json()["refresh_token"])
    for username, password in (("trader", "wrong password"), ("nobody", PASSWORD)):
        wrong = await made.client.post("/api/auth/login", json={"username": username, "password": password})
        assert (wrong.status_code, wrong.json()["error_code"]) == (401, "BAD_CREDENTIALS")
    missing = await made.client.post("/api/auth/login", json={"username": "trader"})
    assert (missing.status_code, missing.json()["field"]) == (400, "password")


async def _uses_up(made: World, used: str, fresh: str) -> None:
    """A refresh token gives one pair, also where two bring it at once; behind a logout none."""

    async def ask(path: str, token: str) -> int:
        return (await made.client.post(f"/api/auth/{path}", json={"refresh_token": token})).status_code

    assert sorted(await asyncio.gather(*(ask("refresh", fresh) for _ in range(3)))) == [200, 401, 401]
    again = await made.client.post("/api/auth/refresh", json={"refresh_token": used})
    assert (again.status_code, again.json()["error_code"]) == (401, "TOKEN_USED")
    login = {"username": "trader", "password": PASSWORD}
    other = (await made.client.post("/api/auth/login", json=login)).json()["refresh_token"]
    assert [await ask(path, other) for path in ("logout", "logout", "refresh")] == [200, 401, 401]


async def tells_who_asks(made: World) -> None:
    """With a good token who it is, with none or a bad one that nobody is."""
    known = (await made.get("/api/auth/status", "viewer")).json()
    assert (known["authenticated"], known["user"], known["role"]) == (True, "viewer", "viewer")
    for headers in ({}, {"Authorization": "Bearer x.y.z"}):
        nobody = (await made.client.get("/api/auth/status", headers=headers)).json()
        assert (nobody["authenticated"], nobody["user"]) == (False, None)


async def asks_for_tokens(made: World) -> None:
    """What changes something asks for a token; reads do not, on loopback."""
    for name, entry in ENTRIES.items():
        if entry["kind"] != "rest" or not is_mounted(entry) or name in BY_001:
            continue
        answer = await made.client.request(entry["method"], filled(entry["path_template"]) + "?surely_unknown=1")
        assert (answer.status_code == 401) is (entry["auth"] == "jwt"), (name, answer.status_code)


async def asks_for_roles(made: World) -> None:
    """A viewer changes nothing, a trader what traders may, an admin also what only admins may."""
    for name, entry in ENTRIES.items():
        if entry["auth"] == "jwt" and entry["kind"] == "rest" and is_mounted(entry) and name not in BY_001:
            path = filled(entry["path_template"]) + "?surely_unknown=1"
            viewer = await made.client.request(entry["method"], path, headers=made.bearer("viewer"))
            admin = await made.client.request(entry["method"], path, headers=made.bearer("admin"))
            assert viewer.status_code == 403, name
            assert admin.status_code in (400, 404), (name, admin.status_code)
    assert [(await made.get("/api/audit", name)).status_code for name in ("viewer", "trader", "admin")] == [
        403,
        403,
        200,
    ]


async def shares_with_allowed_origins_only(made: World) -> None:
    """A preflight of a front end of ours is answered, another origin is refused and not echoed."""
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,content-type"}
    ours = await made.client.options("/api/instruments/1", headers=asked | {"Origin": FRONT_END})
    assert ours.headers["access-control-allow-origin"] == FRONT_END
    assert "PUT" in ours.headers["access-control-allow-methods"]
    for answer in (
        await made.client.options("/api/instruments/1", headers=asked | {"Origin": "http://evil.example"}),
        await made.get("/api/instruments", Origin="http://evil.example"),
    ):
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


async def refuses_what_is_no_json(made: World) -> None:
    """A body that cannot be read is a 400 on every route that takes one."""
    headers = {**made.bearer("admin"), "Content-Type": "application/json"}
    for name, entry in ENTRIES.items():
        if entry["kind"] != "rest" or not is_mounted(entry) or not entry["request_example"]:
            continue
        for content in (b"{", b"[]", b'"text"', b"\xff", b'{"surely_unknown": 1}'):
            path = filled(entry["path_template"])
            answer = await made.client.request(entry["method"], path, content=content, headers=headers)
            assert answer.status_code in (400, 404), (name, content, answer.status_code)


async def fails_without_telling(made: World) -> None:
    """What broke here is a 500 in JSON without a trace of where."""

    async def broken(*_: object) -> None:
        raise RuntimeError("secret-canary")

    reader, sound = made.house.reader, made.house.reader.moment
    reader.moment = broken  # type: ignore[method-assign,assignment]
    try:
        answer = await made.get("/api/instruments?limit=3")
    finally:
        reader.moment = sound  # type: ignore[method-assign]
    assert (answer.status_code, answer.json()["error_code"]) == (500, "INTERNAL")
    assert [told for told in ("canary", "RuntimeError", "Traceback", ".py") if told in answer.text] == []


async def is_healthy(made: World) -> None:
    """Each part of the house with how it is (C5, C24)."""
    body = (await made.get("/api/health")).json()
    assert body["status"] in ("ok", "degraded"), body  # here no process is of its own
    assert {one["status"] for one in body["components"].values()} <= {"ok", "warn", "behind", "down", "failed"}


async def documents_itself(made: World) -> None:
    """A page to read, and the description of every route for programs, with what it answers when it breaks."""
    page = await made.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    schema = (await made.get("/docs/openapi.json")).json()
    assert schema["openapi"].startswith("3.")
    assert "/api/instruments" in schema["paths"]
    assert [
        path for path, item in schema["paths"].items() for one in item.values() if "500" not in one["responses"]
    ] == []


async def shows_a_page(made: World) -> None:
    """A page at the root."""
    page = await made.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "Tapedeck" in page.text


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s4.auth.login": logs_in,
    "s4.auth.status": tells_who_asks,
    "s4.health": is_healthy,
    "s4.docs": documents_itself,
    "s4.ui": shows_a_page,
    "s4.rule.auth": asks_for_tokens,
    "s4.rule.rbac": asks_for_roles,
    "s4.rule.cors": shares_with_allowed_origins_only,
    "s4.rule.validation": refuses_what_is_no_json,
    "s4.rule.error_handling": fails_without_telling,
}
