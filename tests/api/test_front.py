"""What holds for every request: the wall, the bounds, the headers and the line of the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import pytest_asyncio
import structlog
from structlog.testing import capture_logs

from api.masking import masked_path, masked_query
from api.settings import ApiSettings, LimitsSettings
from tests.api.asgi_socket import connected
from tests.api.paths import filled
from tests.api.worlds import PASSWORD, World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRONT_END = "http://localhost:3000"


@contextmanager
def logged() -> Iterator[list[Any]]:
    """Everything that is logged within, from level info on."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    try:
        with capture_logs() as lines:
            yield lines
    finally:
        structlog.configure(wrapper_class=before)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house on loopback."""
    async with world(tmp_path_factory.mktemp("front")) as found:
        yield found


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "localhost:3000", "[::1]:8080", "LOCALHOST:1"])
async def test_loopback_names_are_this_machine(made: World, host: str) -> None:
    """Every way to write loopback is let through."""
    assert (await made.get("/symbols", Host=host)).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil@evil.example", "", "[::2]", "0"])
async def test_other_hosts_are_not_this_machine(made: World, host: str) -> None:
    """A name that somebody pointed at this machine is refused, on routes, on unknown paths and on sockets."""
    for path in ("/symbols", "/", "/api/nothing"):
        answer = await made.get(path, Host=host)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "BAD_HOST")
    async with connected(made.app, headers={"Host": host}) as socket:
        assert await socket.receive() is None
        assert (socket.accepted, socket.closed) == (False, 4403)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:3001", "https://localhost:3000"])
async def test_other_origins_are_refused(made: World, origin: str) -> None:
    """A page of another origin reads nothing and opens no socket."""
    answer = await made.get("/symbols", Origin=origin)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "BAD_ORIGIN")
    assert "access-control-allow-origin" not in answer.headers
    async with connected(made.app, headers={"Origin": origin}) as socket:
        assert await socket.receive() is None
        assert socket.accepted is False


async def test_front_ends_of_the_settings_may_read_everything(made: World) -> None:
    """An allowed origin may read fresh answers, kept ones and errors, and the headers that say where they stand."""
    for path in ("/symbols", "/symbols", "/api/nothing", "/api/strategies"):
        answer = await made.get(path, Origin=FRONT_END)
        assert answer.headers["access-control-allow-origin"] == FRONT_END, path
        assert "Tape-Sequence" in answer.headers["access-control-expose-headers"]
    own = await made.get("/symbols", Origin="http://127.0.0.1:8080")
    assert own.status_code == 200


@pytest.mark.parametrize("port", [3000, 5173, 8000, 8080])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_front_ends_as_they_are_usually_served_may_call_without_a_setting(
    made: World, host: str, port: int
) -> None:
    """Development servers and containers of front ends on this machine; of another machine the same ports may not."""
    origin = f"http://{host}:{port}"
    answer = await made.get("/symbols", Origin=origin)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
    for other in (f"http://evil.example:{port}", f"http://{host}.evil.example:{port}"):
        assert (await made.get("/symbols", Origin=other)).status_code == 403


async def test_preflight_names_what_may_be_sent(made: World) -> None:
    """A browser that asks first is told which methods and headers are allowed."""
    headers = {
        "Origin": FRONT_END,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-csrf-token,idempotency-key",
    }
    answer = await made.client.options("/sessions/start", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == FRONT_END
    assert "x-csrf-token" in answer.headers["access-control-allow-headers"].lower()
    refused = await made.client.options("/sessions/start", headers=headers | {"Origin": "http://evil.example"})
    assert refused.status_code == 403


async def test_what_the_wall_refuses_is_described(made: World) -> None:
    """A foreign host, a body of another kind and one that is too large: every route says that it answers so."""
    described = (await made.get("/docs/openapi.json")).json()["paths"]
    headers = made.bearer("admin", csrf=True)
    large, other = {"Content-Type": "application/json", "Content-Length": "2000000"}, {"Content-Type": "text/plain"}
    missing = []
    for path, item in described.items():
        for method, operation in item.items():
            writes = () if method == "get" else (other, large)
            for changed in ({"Host": "evil.example"}, *writes):
                answer = await made.client.request(method, filled(path), headers=headers | changed, content=b"{}")
                assert answer.status_code in ((413, 415) if changed in writes else (403,)), (path, answer.text)
                if str(answer.status_code) not in operation["responses"]:
                    missing.append((method, path, answer.status_code))
    assert missing == []


async def test_every_answer_is_guarded_against_browsers_guesses(made: World) -> None:
    """No sniffing, no framing, no scripts, no copies: on answers, kept answers and errors."""
    for path in ("/symbols", "/symbols", "/api/health", "/api/nothing", "/api/strategies"):
        answer = await made.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["cache-control"] == "no-store"


async def test_an_unexpected_error_tells_nothing(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours is a 500 with our body; what happened is in the log only."""

    async def broken(*_: object) -> None:
        raise RuntimeError("secret-canary")

    monkeypatch.setattr(made.house.reader, "moment", broken)
    with logged() as logs:
        answer = await made.get("/api/sessions?limit=3")
    assert (answer.status_code, answer.json()["error_code"]) == (500, "INTERNAL")
    assert "canary" not in answer.text
    assert [one["event"] for one in logs] == ["request_failed", "request"]
    assert "secret-canary" in logs[0]["error"]


async def test_a_request_that_takes_too_long_is_ended(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound stands over every request; the answer says that a command may have been carried out."""

    async def slow(*_: object) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(made.house.reader, "moment", slow)
    monkeypatch.setattr(made.app.asgi_handler, "_seconds", 0.05)
    answer = await made.get("/api/sessions?limit=4")
    assert (answer.status_code, answer.json()["error_code"]) == (503, "REQUEST_TIMEOUT")
    assert answer.headers["Retry-After"] == "2"


async def test_one_rich_line_a_request(made: World) -> None:
    """Method, path, query, status, time, user and place on the tape; secrets masked."""
    token = made.token("viewer")
    with logged() as logs:
        await made.get("/api/sessions?limit=7", "viewer")
        await made.get(f"/symbols?token={token}&%74oken={token}&x=1", "viewer")
        await made.get(f"/api/{token}")
        await made.client.post("/api/auth/login", json={"username": "trader", "password": PASSWORD})
        async with connected(made.app, query=f"token={token}") as socket:
            await socket.send({"type": "ping"})
            await socket.receive()
    lines = [one for one in logs if one["event"] == "request"]
    assert len(lines) == 5
    first = lines[0]
    assert (first["method"], first["path"], first["query"], first["status"]) == ("GET", "/api/sessions", "limit=7", 200)
    assert (first["user"], first["tape_sequence"]) == ("viewer", 0)
    assert first["elapsed_ms"] > 0
    assert lines[4]["method"] == "WEBSOCKET"
    text = str(logs)
    assert token not in text
    assert token[:30] not in text
    assert PASSWORD not in text


async def test_masks() -> None:
    """Whatever is called a secret, and whatever looks like a token, is masked; the rest is left."""
    assert masked_query(b"limit=5&token=abc&API_KEY=x&a=b") == "limit=5&token=***&API_KEY=***&a=b"
    assert masked_query(b"x=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln&y=1") == "x=***&y=1"
    assert masked_query(b"") == ""
    assert len(masked_query(b"a=" + b"b" * 5_000)) == 512
    assert masked_path("/a\nb/\x1b[31m") == "/a?b/?[31m"


async def test_logins_are_limited_by_address(tmp_path_factory: pytest.TempPathFactory) -> None:
    """After so many tries in a minute the answer is 429 with the time to wait, also for the right password."""
    limits = LimitsSettings(logins_per_minute=3)
    async with world(tmp_path_factory.mktemp("logins"), limits=limits) as other:
        wrong = {"username": "admin", "password": "not the password"}
        statuses = [(await other.client.post("/api/auth/login", json=wrong)).status_code for _ in range(4)]
        assert statuses == [401, 401, 401, 429]
        right = await other.client.post("/api/auth/login", json={"username": "admin", "password": PASSWORD})
        assert right.status_code == 429
        assert 1 <= int(right.headers["Retry-After"]) <= 60
        assert right.json()["error_code"] == "RATE_LIMITED"


async def test_beyond_loopback_any_host_and_a_front_ends_origin(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Listening on every address, the host is not checked, the origin is."""
    async with world(tmp_path_factory.mktemp("host"), api=ApiSettings(host="0.0.0.0")) as other:
        assert (await other.get("/api/health", Host="trade.example")).status_code == 200
        assert (await other.get("/api/health", Host="trade.example", Origin="http://evil.example")).status_code == 403
        own = await other.get("/api/health", Host="trade.example", Origin="https://trade.example")
        assert own.status_code == 200


@pytest.mark.parametrize("path", ["/symbols", "/api/health", "/api/sessions", "/api/nothing", "/sessions/start"])
async def test_head_is_get_without_a_body(made: World, path: str) -> None:
    """HEAD answers what GET does, errors too, with the same headers and no body."""
    read = await made.get(path, "admin")
    head = await made.client.head(path, headers=made.bearer("admin"))
    assert (head.status_code, head.content) == (read.status_code, b"")
    for name in ("content-type", "content-length", "x-content-type-options"):
        assert head.headers[name] == read.headers[name]


async def test_head_of_a_stream_ends(made: World) -> None:
    """HEAD of an endless stream tells its headers and leaves no client behind."""
    async with asyncio.timeout(10):
        head = await made.client.head("/api/tape/stream", headers=made.bearer("admin"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")
    with logged() as lines:
        await made.client.head("/symbols")
    assert [line["method"] for line in lines if line["event"] == "request"] == ["HEAD"]
