"""Access: every route against every kind of token, from one table. A new route without a row fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import jwt
import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute, WebSocketRoute

from api.auth.tokens import ISSUER, Tokens
from api.auth.users import change
from api.settings import ApiSettings
from events.facts import PasswordChanged, RoleChanged, UserCreated, UserRemoved
from tests.api.asgi_socket import connected
from tests.api.error_bodies import error_code
from tests.api.paths import filled
from tests.api.worlds import SECRET, World, password_hash, world
from tests.fixtures.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Needs = Literal["public", "open", "viewer", "trader", "trader+csrf", "trader elsewhere", "admin", "admin or 401"]

# every route: what it asks for on loopback. Elsewhere `open` asks for a viewer; `trader elsewhere` is open on loopback.
TABLE: dict[tuple[str, str], Needs] = {
    ("GET", "/"): "public",
    ("GET", "/docs"): "public",
    ("GET", "/docs/openapi.json"): "open",
    ("GET", "/assets/{name}"): "public",
    ("GET", "/api/health"): "public",
    ("GET", "/api/health/components"): "open",
    ("GET", "/api/system/status"): "open",
    ("POST", "/api/system/mode"): "trader",
    ("POST", "/api/system/start"): "trader",
    ("POST", "/api/system/stop"): "trader",
    ("POST", "/api/system/restart"): "trader",
    ("GET", "/api/status"): "open",
    ("GET", "/api/components"): "open",
    ("GET", "/api/components/{component_id}/metrics"): "open",
    ("POST", "/api/components/{component_id}/restart"): "trader",
    ("GET", "/api/v1/health"): "public",
    ("GET", "/api/v1/metrics/system"): "open",
    ("GET", "/api/audit"): "admin",
    ("POST", "/api/auth/login"): "public",
    ("POST", "/api/auth/refresh"): "public",
    ("POST", "/api/auth/logout"): "public",
    ("GET", "/api/auth/status"): "public",
    ("GET", "/api/strategies"): "viewer",
    ("POST", "/api/strategies"): "trader elsewhere",
    ("GET", "/api/strategies/available"): "open",
    ("GET", "/api/strategies/{strategy_id}"): "open",
    ("PUT", "/api/strategies/{strategy_id}"): "trader elsewhere",
    ("DELETE", "/api/strategies/{strategy_id}"): "trader elsewhere",
    ("POST", "/api/strategies/{strategy_id}/activate"): "trader elsewhere",
    ("POST", "/api/strategies/{strategy_id}/deactivate"): "trader elsewhere",
    ("GET", "/api/backtests"): "open",
    ("GET", "/api/backtests/{backtest_id}"): "open",
    ("POST", "/api/backtests/run"): "trader",
    ("GET", "/api/backtests/stream"): "trader elsewhere",
    ("GET", "/api/system/resources"): "viewer",
    ("GET", "/api/system/resources-only"): "admin or 401",
    ("GET", "/api/system/queue"): "viewer",
    ("GET", "/api/system/task-events"): "viewer",
    ("GET", "/api/jobs"): "viewer",
    ("GET", "/api/jobs/{job}"): "viewer",
    ("POST", "/api/jobs/{job}/stop"): "trader",
    ("POST", "/api/jobs/sweep"): "trader",
    ("POST", "/api/jobs/montecarlo"): "trader",
    ("GET", "/api/models"): "open",
    ("GET", "/api/models/{model_name}"): "open",
    ("POST", "/api/models/train"): "trader elsewhere",
    ("POST", "/api/models/deploy"): "trader",
    ("GET", "/api/predictions"): "open",
    ("POST", "/api/predictions/generate"): "trader",
    ("GET", "/api/predictions/list"): "viewer",
    ("GET", "/api/predictions/stream"): "trader elsewhere",
    ("GET", "/api/predictions/{prediction_id}"): "viewer",
    ("POST", "/api/v1/backtest/run"): "trader elsewhere",
    ("GET", "/api/v1/backtest/results"): "open",
    ("GET", "/api/v1/backtest/results/{result_id}"): "open",
    ("POST", "/api/v1/backtest/compare"): "open",
    ("POST", "/api/v1/walkforward/run"): "trader elsewhere",
    ("GET", "/api/v1/walkforward/results/{result_id}"): "open",
    ("POST", "/api/v1/training/start"): "trader elsewhere",
    ("GET", "/api/v1/training/jobs"): "open",
    ("GET", "/api/v1/training/jobs/{job_id}"): "open",
    ("POST", "/api/v1/training/jobs/{job_id}/stop"): "trader elsewhere",
    ("GET", "/api/v1/training/jobs/{job_id}/logs"): "open",
    ("GET", "/api/keys"): "viewer",
    ("POST", "/api/keys"): "trader",
    ("PUT", "/api/keys/{api_key_id}"): "trader",
    ("DELETE", "/api/keys/{api_key_id}"): "trader",
    ("GET", "/api/v1/logs/files"): "open",
    ("GET", "/api/v1/logs/files/{filename}"): "open",
    ("GET", "/api/v1/logs/stream"): "open",
    ("GET", "/api/v1/config"): "open",
    ("PUT", "/api/v1/config"): "trader elsewhere",
    ("POST", "/api/v1/config/validate"): "open",
    ("GET", "/api/v1/config/templates"): "open",
    ("GET", "/api/v1/config/templates/{template_id}"): "open",
    ("POST", "/api/v1/config/templates"): "trader elsewhere",
    ("DELETE", "/api/v1/config/templates/{template_id}"): "trader elsewhere",
    ("GET", "/api/config"): "open",
    ("GET", "/api/config/history"): "open",
    ("GET", "/api/config/{section}"): "open",
    ("PUT", "/api/config/{section}"): "trader",
    ("POST", "/api/config/export"): "trader",
    ("POST", "/api/config/import"): "trader",
    ("GET", "/api/v1/models"): "open",
    ("GET", "/api/v1/models/{directory}"): "open",
    ("GET", "/api/v1/models/{directory}/download"): "open",
    ("GET", "/api/v1/models/./{directory}"): "open",
    ("GET", "/api/v1/models/./{directory}/download"): "open",
    ("POST", "/api/infer/forecast/nbeats"): "open",
    ("POST", "/api/analyze"): "open",
    ("GET", "/api/sentiment"): "open",
    ("GET", "/health"): "public",
    ("POST", "/predict"): "open",
    ("POST", "/api/predict"): "open",
    ("POST", "/api/db/query"): "viewer",
    ("POST", "/api/training/start"): "trader",
    ("GET", "/api/training/{training_id}/logs"): "open",
    ("POST", "/api/training/{training_id}/stop"): "trader",
    ("GET", "/api/metrics"): "open",
    ("GET", "/portfolio"): "open",
    ("GET", "/portfolio/history"): "open",
    ("GET", "/api/signals"): "open",
    ("POST", "/api/signals/filter"): "open",
    ("GET", "/api/signals/{signal_id}"): "open",
    ("GET", "/api/executions"): "open",
    ("POST", "/api/executions"): "trader",
    ("GET", "/mcp/login"): "public",
    ("GET", "/mcp/get_holdings"): "open",
    ("GET", "/api/exchange/symbols"): "open",
    ("GET", "/api/data-collection/sessions"): "open",
    ("GET", "/symbols"): "open",
    ("POST", "/sessions/start"): "trader+csrf",
    ("POST", "/sessions/stop"): "trader+csrf",
    ("GET", "/api/instruments"): "open",
    ("POST", "/api/instruments"): "trader",
    ("GET", "/api/instruments/{instrument_id}"): "open",
    ("PUT", "/api/instruments/{instrument_id}"): "trader",
    ("DELETE", "/api/instruments/{instrument_id}"): "trader",
    ("GET", "/api/market/data"): "open",
    ("GET", "/api/market/symbols"): "open",
    ("GET", "/api/tape/info"): "open",
    ("GET", "/api/tape/events"): "open",
    ("GET", "/api/tape/stream"): "open",
    ("GET", "/api/sessions"): "open",
    ("POST", "/api/sessions"): "trader",
    ("GET", "/api/sessions/{session}"): "open",
    ("POST", "/api/sessions/{session}/stop"): "trader",
    ("POST", "/api/sessions/{session}/halt"): "trader",
    ("POST", "/api/sessions/{session}/code"): "trader",
    ("GET", "/api/sessions/{session}/signals"): "open",
    ("GET", "/api/sessions/{session}/orders"): "open",
    ("POST", "/api/sessions/{session}/orders"): "trader",
    ("DELETE", "/api/sessions/{session}/orders"): "trader",
    ("GET", "/api/sessions/{session}/orders/{order_number}"): "open",
    ("DELETE", "/api/sessions/{session}/orders/{order_number}"): "trader",
    ("GET", "/api/sessions/{session}/fills"): "open",
    ("GET", "/api/sessions/{session}/denials"): "open",
    ("GET", "/api/sessions/{session}/trades"): "open",
    ("GET", "/api/sessions/{session}/positions"): "open",
    ("GET", "/api/sessions/{session}/equity"): "open",
    ("GET", "/api/sessions/{session}/metrics"): "open",
    ("GET", "/api/sessions/{session}/report"): "open",
    ("POST", "/api/sessions/{session}/verify"): "viewer",
    ("POST", "/api/sessions/{session}/fork"): "trader",
}
BAD = ("expired", "forged", "alg none", "refresh", "withdrawn", "no bearer", "junk")
GOOD = ("viewer", "trader", "admin")
KINDS = ("none", *BAD, *GOOD)
RANK = {"viewer": 0, "trader": 1, "admin": 2}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def loopback(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house on loopback."""
    async with world(tmp_path_factory.mktemp("loopback")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def beyond(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house that listens on every address."""
    api = ApiSettings(host="0.0.0.0", answer_seconds_max=0.2)
    async with world(tmp_path_factory.mktemp("beyond"), api=api) as made:
        yield made


def headers_of(made: World, kind: str) -> dict[str, str]:
    """What a request of this kind carries."""
    if kind == "none":
        return {}
    if kind in GOOD:
        return made.bearer(kind)
    if kind == "no bearer":
        return {"Authorization": "Basic dHJhZGVyOnRyYWRlcg=="}
    return {"Authorization": f"Bearer {_bad_token(made, kind)}"}


def _bad_token(made: World, kind: str) -> str:
    user = made.house.users.find("admin")
    assert user is not None
    good = made.house.tokens.give(user, "access", 600)
    claims = jwt.decode(good, options={"verify_signature": False})
    match kind:
        case "expired":
            return made.house.tokens.give(user, "access", -1)
        case "forged":
            return Tokens(b"another secret of 32 bytes.......", made.clock).give(user, "access", 600)
        case "alg none":
            return jwt.encode(claims, "", algorithm="none")
        case "refresh":
            return made.house.tokens.give(user, "refresh", 600)
        case "withdrawn":
            return jwt.encode({**claims, "ver": claims["ver"] + 1}, SECRET, algorithm="HS256")
        case _:
            return "eyJ.not.a.token"


def expected(needs: Needs, kind: str, *, loopback: bool) -> int | None:
    """401, 403, or None: let through. Without a CSRF token where one is needed."""
    if needs == "public" or (needs in ("open", "trader elsewhere") and loopback):
        return None
    if kind not in GOOD:
        return 401
    role = "viewer" if needs == "open" else needs.partition("+")[0].partition(" ")[0]
    if RANK[kind] < RANK[role] or needs.endswith("+csrf"):
        return 401 if needs == "admin or 401" else 403  # C13
    return None


def routes_of(made: World) -> set[tuple[str, str]]:
    """Every route of the application but the answers to OPTIONS."""
    return {
        (method, route.path_format)
        for route in made.app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }


async def ask(made: World, method: str, path: str, headers: dict[str, str]) -> int:
    """Status of a request with no more than an empty object as its body."""
    path = filled(path)
    if path == "/api/tape/stream":
        path += "?after=999999999"  # refused behind the guard: a stream would not end
    if path in ("/api/system/task-events", "/api/v1/logs/stream"):
        path += "?surely_unknown=1"
    content = b"{}" if method in ("POST", "PUT") else None
    given = {**headers, **({"Content-Type": "application/json"} if content else {})}
    answer = await made.client.request(method, path, headers=given, content=content)
    if answer.status_code >= 400:
        error_code(answer)
    return answer.status_code


async def test_every_route_has_a_row(loopback: World) -> None:
    """A route that the table does not know has no decided access."""
    assert routes_of(loopback) == set(TABLE)
    assert [route.path for route in loopback.app.routes if isinstance(route, WebSocketRoute)] == [
        "/ws",
        "/api/ws/monitor",
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["loopback", "beyond"])
async def test_every_cell(loopback: World, beyond: World, where: str, kind: str) -> None:
    """Each route lets through, or answers 401 or 403, as the table says; nothing is appended."""
    made = loopback if where == "loopback" else beyond
    last = await made.last()
    wrong = []
    for (method, path), needs in TABLE.items():
        status = await ask(made, method, path, headers_of(made, kind))
        refused = status if status in (401, 403) and not path.startswith("/api/auth/") else None
        if refused != expected(needs, kind, loopback=where == "loopback"):
            wrong.append((method, path, needs, status))
        assert status < 500, (method, path, status)
    assert wrong == []
    assert await made.last() == last


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["loopback", "beyond"])
async def test_the_form_with_a_slash_is_as_its_contract_says(
    loopback: World, beyond: World, where: str, kind: str
) -> None:
    """`/api/strategies/` is open on loopback, also after the form without the slash was answered with a token."""
    made = loopback if where == "loopback" else beyond
    await ask(made, "GET", "/api/strategies", made.bearer("viewer"))
    status = await ask(made, "GET", "/api/strategies/", headers_of(made, kind))
    assert status == (expected("open", kind, loopback=where == "loopback") or 200)


@pytest.mark.parametrize("path", ["/sessions/start", "/sessions/stop"])
async def test_csrf_token_goes_with_its_own_token(loopback: World, path: str) -> None:
    """Without it, with another user's and with another token's: 403; with its own: let through."""
    other = loopback.bearer("admin", csrf=True)["X-CSRF-Token"]
    for csrf in (None, "", "0" * 64, other, loopback.bearer("trader", csrf=True)["X-CSRF-Token"]):
        headers = loopback.bearer("trader") | ({"X-CSRF-Token": csrf} if csrf is not None else {})
        answer = await loopback.client.post(path, json={}, headers=headers)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "BAD_CSRF_TOKEN")
    good = await loopback.client.post(path, json={}, headers=loopback.bearer("trader", csrf=True))
    assert good.status_code == 400


async def test_401_says_how_to_come_in(loopback: World) -> None:
    """A 401 names the scheme, and tells an expired token from a wrong one."""
    answer = await loopback.get("/api/strategies")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    expired = await loopback.client.get("/api/strategies", headers=headers_of(loopback, "expired"))
    forged = await loopback.client.get("/api/strategies", headers=headers_of(loopback, "forged"))
    assert (expired.json()["error_code"], forged.json()["error_code"]) == ("TOKEN_EXPIRED", "BAD_TOKEN")


@pytest.mark.parametrize(
    ("kind", "code"), [("none", 4401), ("expired", 4401), ("forged", 4401), ("viewer", None), ("admin", None)]
)
async def test_socket_beyond_loopback_asks_for_a_token(beyond: World, kind: str, code: int | None) -> None:
    """A browser's socket brings its token in the query."""
    given = headers_of(beyond, kind).get("Authorization", "").removeprefix("Bearer ")
    async with connected(beyond.app, query=f"token={given}" if given else "") as socket:
        if code is None:
            await socket.send({"type": "ping"})
            assert (await socket.receive())["type"] == "pong"
        else:
            assert await socket.receive() is None
        assert socket.closed == code


async def test_a_socket_ends_with_its_user(beyond: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is removed while listening hears nothing more."""
    monkeypatch.setattr("api.sockets.GUARD_SECONDS", 0.05)
    await change(beyond.vault, UserCreated(name="listener", role="viewer", password_hash=password_hash()))
    await until(lambda: beyond.house.users.find("listener") is not None)
    async with connected(beyond.app, query=f"token={beyond.token('listener')}") as socket:
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"
        await change(beyond.vault, UserRemoved(name="listener"))
        assert await socket.receive() is None
        assert (socket.closed, socket.reason) == (4401, "BAD_TOKEN")


async def test_socket_on_loopback_needs_none(loopback: World) -> None:
    """On loopback anybody may listen, also with a token that has expired."""
    async with connected(loopback.app, query="token=junk") as socket:
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"


@pytest.mark.parametrize("how", ["password", "role", "removed"])
async def test_a_changed_user_loses_its_tokens(loopback: World, how: str) -> None:
    """Another password, another role or a removal voids what was given out before, in every process that follows."""
    name = f"user-{how}"
    await change(loopback.vault, UserCreated(name=name, role="viewer", password_hash=password_hash()))
    await until(lambda: loopback.house.users.find(name) is not None)
    headers = loopback.bearer(name)
    assert (await loopback.client.get("/api/strategies", headers=headers)).status_code == 200
    before = loopback.house.users.last
    fact = {
        "password": PasswordChanged(name=name, password_hash=password_hash()),
        "role": RoleChanged(name=name, role="trader"),
        "removed": UserRemoved(name=name),
    }[how]
    await change(loopback.vault, fact)
    await until(lambda: loopback.house.users.last > before)
    answer = await loopback.client.get("/api/strategies", headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "BAD_TOKEN")


async def test_claims_of_another_issuer_are_refused(loopback: World) -> None:
    """A token signed with our secret by somebody else's hand is still not ours."""
    claims = jwt.decode(loopback.token("admin"), options={"verify_signature": False})
    assert claims["iss"] == ISSUER
    stranger = jwt.encode({**claims, "iss": "another"}, SECRET, algorithm="HS256")
    answer = await loopback.client.get("/api/strategies", headers={"Authorization": f"Bearer {stranger}"})
    assert answer.status_code == 401


async def test_a_token_cannot_raise_its_own_role(loopback: World) -> None:
    """The role is the user's, not the token's claim."""
    claims = jwt.decode(loopback.token("viewer"), options={"verify_signature": False})
    raised = jwt.encode({**claims, "role": "admin"}, SECRET, algorithm="HS256")
    answer = await loopback.client.post("/api/sessions", json={}, headers={"Authorization": f"Bearer {raised}"})
    assert answer.status_code == 403


async def test_an_oversized_token_is_only_a_bad_one(loopback: World) -> None:
    """Whatever is sent as a token, the answer is 401."""
    for token in ("a" * 100_000, "\x7f", "a.b.c", "..", "Bearer", "null"):
        answer = await loopback.client.get("/api/strategies", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
