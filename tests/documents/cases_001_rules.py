"""Contract 001, rules that hold for all of it, and health."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from api.limits import limits_of
from api.settings import LimitsSettings
from tests.api.asgi_socket import connected
from tests.api.paths import filled
from tests.api.worlds import World
from tests.documents.cases_001_backtests import beats, lists_results, shows_the_queue, tells_the_state_first
from tests.documents.routes import is_mounted, mounted
from tests.documents.shapes import inventory, misfits

ENTRIES = inventory("s1.")
UNKNOWN = "?surely_unknown=1"  # is refused behind the guard: nothing runs, no stream opens


async def is_healthy(made: World) -> None:
    """Status and version, also for who has no token."""
    body = (await made.get("/api/health")).json()
    assert misfits(body, ENTRIES["s1.health"]["response_shape"]) == []
    assert body["status"] in ("ok", "degraded"), body  # here no process is of its own


async def words_errors(made: World) -> None:
    """Every error has `detail`, a text: of our own and of the framework's."""
    big = b'{"name": "' + b"a" * 1_100_000 + b'"}'
    json = {"Content-Type": "application/json"}
    for answer, status in (
        (await made.get("/api/market/data?symbol=BTC_USDT"), 400),
        (await made.get("/api/market/data?symbol=BTC_USDT&timeframe=1m&limit=x"), 400),
        (await made.client.post("/api/strategies/", content=b"{", headers=json), 400),
        (await made.client.post("/api/backtests/run", json={}), 401),
        (await made.get("/api/strategies/nosuch"), 404),
        (await made.get("/api/nosuch"), 404),
        (await made.client.delete("/api/market/data"), 405),
        (await made.client.post("/api/strategies/", content=big, headers=json), 413),
        (await made.client.post("/api/strategies/", content=b"a=1", headers={"Content-Type": "text/plain"}), 415),
    ):
        assert answer.status_code == status, answer.text
        assert misfits(answer.json(), ENTRIES["s1.rule.error_body"]["response_shape"]) == []
        assert answer.json()["detail"]


async def asks_for_tokens_where_documented(made: World) -> None:
    """Routes marked so answer 401 without a token and with a bad one; all others answer without."""
    for name, entry in ENTRIES.items():
        if entry["kind"] != "rest" or not is_mounted(entry):
            continue
        path = filled(entry["path_template"])
        for headers in ({}, {"Authorization": "Bearer x.y.z"}):
            answer = await made.client.request(entry["method"], path + UNKNOWN, headers=headers)
            assert (answer.status_code == 401) is (entry["auth"] != "none"), (name, answer.status_code)


async def limits_nothing(made: World) -> None:
    """No route of this contract has a limit on loopback."""
    table = limits_of(LimitsSettings())
    for method, path in mounted():
        assert path.startswith("/api/v1/") or table.of(method, path) is None
    for _ in range(120):
        assert (await made.get("/api/strategies/available")).status_code == 200


async def has_no_sockets(made: World) -> None:
    """Nothing of this contract is a socket: events are server-sent, and who asks for a socket there gets none."""
    assert {entry["kind"] for entry in ENTRIES.values()} == {"rest", "sse", "rule"}
    for entry in ENTRIES.values():
        if entry["kind"] == "sse" and entry["method"] == "GET":
            async with connected(made.app, entry["path"], query=f"token={made.token('admin')}") as socket:
                assert await socket.receive() is None
            assert (socket.accepted, socket.closed) == (False, 4404), (entry["path"], socket.closed)


CASES: dict[str, Callable[[World], Awaitable[None]]] = {
    "s1.health": is_healthy,
    "s1.rule.error_body": words_errors,
    "s1.rule.auth": asks_for_tokens_where_documented,
    "s1.rule.rate_limit_none": limits_nothing,
    "s1.rule.task_visibility": shows_the_queue,
    "s1.rule.token_query": tells_the_state_first,
    "s1.rule.heartbeat": beats,
    "s1.rule.backtest_failed": lists_results,
    "s1.rule.ws_none": has_no_sockets,
}
