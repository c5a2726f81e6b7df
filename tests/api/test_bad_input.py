"""Bad input on every route: a clear 4xx that names the field, never a 5xx, and nothing appended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from litestar.routes import HTTPRoute

from api.errors import ErrorBody
from tests.api.bodies import optional_of
from tests.api.paths import filled
from tests.api.recordings import LiveSource, simulated_recording
from tests.api.worlds import World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECORDING = "rec_" + "a" * 16
SESSION = "exec_20251118_150123_xyz789"
START: dict[str, Any] = {
    "session_type": "paper",
    "symbols": ["BTC_USDT"],
    "strategy_config": {"strategies": ["pump_v2"]},
    "config": {"budget": {"global_cap": 1000}},
}
WISH: dict[str, Any] = {"mode": "backtest", "recording": RECORDING, "strategies": [{"strategy": "ema_cross"}]}
ORDER: dict[str, Any] = {"symbol": "BTC_USDT", "side": "buy", "quantity": 1.0}
LOGIN: dict[str, Any] = {"username": "admin", "password": "wrong password"}
EMA = {"strategy": "ema_cross"}
GRID = {"strategy": "grid"}
HUGE = 10**30
POSTS = {
    "/api/auth/login": LOGIN,
    "/api/auth/refresh": {"refresh_token": "x"},
    "/sessions/start": START,
    "/sessions/stop": {"session_id": SESSION},
    "/api/sessions": WISH,
    f"/api/sessions/{SESSION}/stop": {"close_positions": True},
    f"/api/sessions/{SESSION}/halt": {"strategy": "pump_v2", "symbol": "BTC_USDT", "halted": True},
    f"/api/sessions/{SESSION}/code": {"code_hash": "719b108d"},
    f"/api/sessions/{SESSION}/orders": ORDER,
    f"/api/sessions/{SESSION}/fork": {"limits": {}},
    "/api/instruments": {"symbol": "AAA_USDT", "exchange": "mexc"},
    "/api/config/import": {"content": "risk: {maxDailyLoss: 0.1}", "format": "yaml"},
    "/api/keys/": {"provider_id": "binance", "environment": "testnet", "api_key": "k", "api_secret": "s", "label": "l"},
    "/api/models/train": {"symbol": "BTC_USDT", "timeframe": "1m", "n_steps_ahead": 300, "days_history": 30},
    "/api/models/deploy": {"model_name": "mine"},
    "/api/training/start": {"symbol": "BTC_USDT", "model": "nbeats"},
    "/api/infer/forecast/nbeats": {"symbol": "BTC_USDT", "history": [1.0, 2.0], "horizon": 5},
    "/api/analyze": {"text": "Up"},
    "/api/db/query": {"query": "SELECT 1"},
    "/api/jobs/sweep": {
        "strategy": "ema_cross",
        "symbol": "BTC_USDT",
        "start_date": "2025-01-01T00:00:00Z",
        "end_date": "2025-01-02T00:00:00Z",
        "grid": {"fast": [5]},
    },
    "/api/jobs/montecarlo": {"session": SESSION, "method": "trades"},
    "/api/strategies/": {"name": "Mine", "type": "ema_cross", "params": {"fast": 5}, "tags": ["a"]},
}
OPTIONAL = (f"{SESSION}/stop", f"{SESSION}/code")  # routes whose body may be left out
TEXTS = (
    "",
    "x",
    "-1",
    "1.5",
    "NaN",
    "Infinity",
    "1e309",
    str(HUGE),
    "%00",
    "%27%3B--",
    "%FF%FE",
    "a" * 300,
    "🙂",
    "[]",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with a recording and a live source, and no engine: what gets through would wait and fail the test."""
    async with world(tmp_path_factory.mktemp("bad")) as found:
        await simulated_recording(found.tape)
        await LiveSource(found.tape).open()
        await found.caught_up()
        yield found


def checked(answer: Any, *statuses: int) -> ErrorBody:
    """The error body of an answer, whole and true."""
    assert answer.status_code in statuses, answer.text
    body = msgspec.json.decode(answer.content, type=ErrorBody, strict=True)
    assert body.type == "error"
    assert body.status == answer.status_code
    assert body.error_message == body.detail == body.message != ""
    assert body.error == body.error_code
    return body


async def send(made: World, path: str, content: bytes, kind: str = "application/json") -> Any:
    """POST bytes as a trader."""
    headers = {**made.bearer("trader", csrf=True), "Content-Type": kind}
    return await made.client.post(path, content=content, headers=headers)


@pytest.mark.parametrize("path", POSTS)
async def test_bodies_that_are_no_object_of_ours(made: World, path: str) -> None:
    """Whatever is sent that is not the object asked for is a 400, 413 or 415, and appends nothing."""
    last = await made.last()
    for content in (
        b"",
        b"{",
        b"[]" if path.endswith(OPTIONAL) else b"null",
        b"[]",
        b'"text"',
        b"17",
        b"NaN",
        b'{"a":NaN}',
        b"\xff\xfe\x00",
        b"[" * 3_000 + b"]" * 3_000,
        b'{"surely_unknown": 1}',
        b'{"session_id": {"$ne": null}}',
        msgspec.json.encode(POSTS[path] | {"another": 1}),
    ):
        if content == b"" and path.endswith(OPTIONAL):
            continue  # its body may be left out
        checked(await send(made, path, content), 400)
    checked(await send(made, path, b" " * 1_048_577), 413)
    checked(await send(made, path, b"a=1", "application/x-www-form-urlencoded"), 415)
    checked(await send(made, path, b"{}", "text/plain"), 415)
    checked(await send(made, path, b"{}", ""), 415)
    assert await made.last() == last


async def test_a_body_that_grows_while_it_is_sent_is_cut_off(made: World) -> None:
    """Without a length in front the limit holds as well."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    headers = {**made.bearer("trader", csrf=True), "Content-Type": "application/json"}
    checked(await made.client.post("/sessions/start", content=pieces(), headers=headers), 413)


@pytest.mark.parametrize("path", POSTS)
async def test_every_field_refuses_what_it_cannot_be(made: World, path: str) -> None:
    """Each field with a value of another type, or out of bounds, is a 4xx; nothing is appended."""
    last, optional = await made.last(), optional_of(made.app, path, SESSION)
    for field, good in POSTS[path].items():
        for bad in (None, 7, -1.5, HUGE, True, "text", [], {}, [[]], {"x": {}}, "a" * 70_000):
            if (isinstance(bad, type(good)) and path != "/api/auth/login") or (bad is None and field in optional):
                continue  # null is the same as left out
            answer = await made.post(path, POSTS[path] | {field: bad})
            checked(answer, 400, 401, 404)
    assert await made.last() == last


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"session_type": "fake"}, "session_type"),
        ({"session_type": None}, "session_type"),
        ({"symbols": []}, "symbols"),
        ({"symbols": ["NOPE_USDT"]}, "symbols"),
        ({"symbols": ["BTC_USDT", "BTC_USDT"]}, "symbols"),
        ({"strategy_config": None}, "strategy_config"),
        ({"strategy_config": {"strategies": []}}, "strategy_config.strategies"),
        ({"strategy_config": {"strategies": ["pump_v2", "pump_v2"]}}, "strategy_config.strategies"),
        ({"strategy_config": {"strategies": ["no_such"]}}, "strategy_config.strategies"),
        ({"strategy_config": {"strategies": ["pump_v2"], "params": {"dump_v2": {}}}}, "strategy_config.params"),
        (
            {"strategy_config": {"strategies": ["pump_v2"], "params": {"pump_v2": {"no_such": 1}}}},
            "strategy_config.params.pump_v2.no_such",
        ),
        ({"config": {"budget": {"global_cap": 0}}}, "config.budget.global_cap"),
        ({"config": {"budget": {"global_cap": -5}}}, "config.budget.global_cap"),
        ({"config": {"budget": {"global_cap": 1e300}}}, "config.budget.global_cap"),
        ({"config": {"budget": {"global_cap": "1000"}}}, "config.budget.global_cap"),
        ({"config": {"budget": {"global_cap": 1, "allocations": {"dump_v2": 1}}}}, "config.budget.allocations"),
        (
            {"config": {"budget": {"global_cap": 1, "allocations": {"pump_v2": -1}}}},
            "config.budget.allocations.pump_v2",
        ),
        ({"config": {"stop_loss_percent": -1}}, "config.stop_loss_percent"),
        ({"config": {"stop_loss_percent": 101}}, "config.stop_loss_percent"),
        ({"config": {"take_profit_percent": 1e9}}, "config.take_profit_percent"),
        ({"config": {"max_position_size": -1}}, "config.max_position_size"),
        ({"config": {"acceleration_factor": -1}}, "config.acceleration_factor"),
        ({"config": {"acceleration_factor": 1e12}}, "config.acceleration_factor"),
        ({"config": {"seed": 2**63}}, "config.seed"),
        ({"config": {"session_id": "no_such_recording"}}, "config.session_id"),
        ({"config": {"session_id": "rec-live"}}, "config.session_id"),
        ({"config": {"daily_loss_percent": 101}}, "config.daily_loss_percent"),
        ({"config": {"name": "n" * 129}}, "config.name"),
        ({"config": {"name": "a\nb"}}, "config.name"),
        ({"config": {"session_id": RECORDING, "source": "live"}}, "config.source"),
        ({"config": {"source": "no_such_source"}}, "config.source"),
        ({"session_type": "backtest"}, "config.session_id"),
        ({"session_type": "collect", "config": {"session_id": RECORDING}}, "config.session_id"),
        ({"session_type": "live"}, "session_type"),
    ],
)
async def test_start_names_the_field_at_fault(made: World, change: dict[str, Any], field: str) -> None:
    """Every rule of the contract's body that is broken is told with its field; nothing is appended."""
    last = await made.last()
    body = {name: value for name, value in (START | change).items() if value is not None}
    error = checked(await made.post("/sessions/start", body), 400, 404, 409, 501)
    assert error.field == field, error
    assert await made.last() == last


async def test_live_is_refused_because_there_is_no_venue(made: World) -> None:
    """A live session is understood, and this installation has no venue."""
    error = checked(await made.post("/sessions/start", START | {"session_type": "live"}), 501)
    assert error.error_code == "NO_VENUE"
    assert "venue" in error.message


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"limits": {"no_such": 1}}, "limits.no_such"),
        ({"limits": {"cash": -1}}, "limits.cash"),
        ({"limits": {"stop_loss_ratio": 2}}, "limits.stop_loss_ratio"),
        ({"limits": {"daily_loss_ratio": 1.5}}, "limits.daily_loss_ratio"),
        ({"limits": {"costs": {"leverage": -1}}}, "limits.costs.leverage"),
        ({"strategies": [{"strategy": "ema_cross", "allocation_ratio": 2}]}, "strategies[0].allocation_ratio"),
        ({"strategies": [EMA | {"allocation_ratio": 0.9}, GRID | {"allocation_ratio": 0.9}]}, "strategies"),
        ({"strategies": [EMA | {"allocation_ratio": 1}, GRID]}, "strategies"),
        ({"strategies": [EMA, EMA]}, "strategies"),
        (
            {"strategies": [EMA | {"allocation_ratio": 0.5}], "limits": {"global_cap": 0}},
            "strategies[0].allocation_ratio",
        ),
        ({"strategies": [{"strategy": "no_such"}]}, "strategies[0].strategy"),
        ({"strategies": [{"strategy": "ema_cross", "params": {"fast": 0}}]}, "strategies[0].params.fast"),
        ({"strategies": [{"strategy": "ema_cross", "params": {"fast": "5"}}]}, "strategies[0].params.fast"),
        ({"strategies": [{"strategy": "ema_cross", "symbols": ["NOPE"]}]}, "strategies[0].symbols"),
        ({"symbols": ["NOPE"]}, "symbols"),
        ({"symbols": ["BTC_USDT", "BTC_USDT"]}, "symbols"),
        ({"grid": [{"fast": 0}]}, "grid[0].fast"),
        ({"source": "nonsense"}, "source"),
        ({"seed": -1}, "seed"),
        ({"acceleration": -1}, "acceleration"),
        ({"recording": None}, "recording"),
        ({"recording": "rec-live"}, "recording"),
        ({"mode": "live"}, "mode"),
        ({"name": "n" * 129}, "name"),
    ],
)
async def test_engine_options_name_the_field_at_fault(made: World, change: dict[str, Any], field: str) -> None:
    """The whole set of options is checked before anything is appended."""
    last = await made.last()
    error = checked(await made.post("/api/sessions", WISH | change), 400, 404, 409, 501)
    assert error.field == field, error
    assert await made.last() == last


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 0},
        {"quantity": -1},
        {"quantity": 1e300},
        {"side": "hold"},
        {"kind": "iceberg"},
        {"kind": "limit"},
        {"kind": "stop", "price": 5},
        {"kind": "stop_limit", "price": 5},
        {"price": 5},
        {"time_in_force": "GTD"},
        {"symbol": ""},
    ],
)
async def test_orders_are_checked_before_the_session(made: World, change: dict[str, Any]) -> None:
    """An order that cannot be is a 400, whatever session it is for."""
    checked(await made.post(f"/api/sessions/{SESSION}/orders", ORDER | change), 400)


UNKNOWN = [
    ("GET", ""),
    *(("GET", f"/{one}") for one in ("signals", "orders", "orders/1", "fills", "denials", "trades", "positions")),
    *(("GET", f"/{one}") for one in ("equity", "metrics", "report")),
    *(("POST", f"/{one}") for one in ("stop", "verify")),
    ("DELETE", "/orders"),
    ("DELETE", "/orders/1"),
]


@pytest.mark.parametrize(("method", "rest"), UNKNOWN)
@pytest.mark.parametrize("session", [SESSION, "..%2f..%2fetc", "%00", "a" * 128, "tape.>", "%F0%9F%99%82"])
async def test_unknown_sessions_are_not_found(made: World, method: str, rest: str, session: str) -> None:
    """No route makes anything of a session that is not there, however its name is written."""
    last = await made.last()
    path = f"/api/sessions/{session}{rest}"
    answer = await made.client.request(method, path, headers=made.bearer("trader"))
    checked(answer, 400, 404)
    assert await made.last() == last


async def test_every_parameter_of_every_route_takes_hostile_text(made: World) -> None:
    """Junk in any parameter of any GET is answered with 200, 400 or 404, and at once."""
    wrong = []
    for route in made.app.routes:
        if not isinstance(route, HTTPRoute) or "GET" not in route.route_handler_map:
            continue
        handler, model = route.route_handler_map["GET"]
        if handler.media_type == "text/event-stream":
            continue
        path = filled(route.path_format, session=SESSION)
        for parameter in sorted(one.field_alias for one in model.expected_query_params):
            for text in TEXTS:
                answer = await made.client.get(f"{path}?{parameter}={text}", headers=made.bearer("admin"))
                if answer.status_code not in (200, 400, 404) and not handler.opt.get("later"):
                    wrong.append((path, parameter, text, answer.status_code))
        unknown = await made.client.get(f"{path}?surely_unknown=1", headers=made.bearer("admin"))
        if unknown.status_code != 400 or "surely_unknown" not in unknown.text:
            wrong.append((path, "surely_unknown", "1", unknown.status_code))
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/sessions?limit=0", "limit"),
        ("/api/sessions?limit=1001", "limit"),
        ("/api/sessions?limit=x", "limit"),
        ("/api/sessions?offset=-1", "offset"),
        ("/api/sessions?order=up", "order"),
        ("/api/sessions?state=gone", "state"),
        ("/api/sessions?mode=dream", "mode"),
        ("/api/sessions?include_research=maybe", "include_research"),
        ("/api/sessions?as_of=yesterday", "as_of"),
        ("/api/sessions?as_of=-1", "as_of"),
        ("/api/sessions?as_of=999999", "as_of"),
        ("/api/data-collection/sessions?limit=0", "limit"),
        ("/api/market/data?timeframe=1m", "symbol"),
        ("/api/market/data?symbol=BTC_USDT", "timeframe"),
        ("/api/market/data?symbol=BTC_USDT&timeframe=7m", "timeframe"),
        ("/api/market/data?symbol=BTC_USDT&timeframe=1m&start=noon", "start"),
        ("/api/market/data?symbol=BTC_USDT&timeframe=1m&start=1969-01-01", "start"),
        ("/api/market/data?symbol=BTC_USDT&timeframe=1m&start=2024-01-02&end=2024-01-01", "start"),
        ("/api/market/data?symbol=BTC_USDT&timeframe=1m&source=nowhere", "source"),
        ("/api/market/symbols?asset_type=gold", "asset_type"),
        ("/api/tape/events?limit=0", "limit"),
        ("/api/tape/events?after=-1", "after"),
        ("/api/tape/events?session=tape.%3E", "session"),
        ("/api/tape/events?as_of=999999", "as_of"),
        ("/api/tape/stream?after=999999", "after"),
        ("/api/backtests?limit=1001", "limit"),
        ("/api/backtests/stream?strategy=x&start_date=2024&end_date=2025&initial_capital=1", "symbol"),
    ],
)
async def test_parameters_name_themselves(made: World, path: str, field: str) -> None:
    """A parameter that cannot be is named in the error."""
    assert checked(await made.get(path), 400, 404).field == field


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "", "9" * 40, "1,2", "0x10"])
async def test_min_sequence_is_a_sequence(made: World, text: str) -> None:
    """Junk in `Tape-Min-Sequence` is a 400 on reads of the read model and of the tape."""
    for path in ("/symbols", "/api/tape/events", "/api/market/symbols"):
        checked(await made.get(path, **{"Tape-Min-Sequence": text}), 400)


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "", "9" * 40, "²"])
async def test_last_event_id_is_a_sequence(made: World, text: str) -> None:
    """Junk in `Last-Event-ID` is refused before a stream begins."""
    given = {"Last-Event-ID": text} if text.isascii() else {}
    if given:
        checked(await made.get("/api/tape/stream", **given), 400)
    beyond = checked(await made.get("/api/tape/stream", **{"Last-Event-ID": "999999999"}), 400)
    assert beyond.field == "Last-Event-ID"


@pytest.mark.parametrize("key", ["", " ", "ä", "k" * 129, "a\tb"])
async def test_idempotency_keys_are_visible_ascii(made: World, key: str) -> None:
    """A key that could be cut or changed on its way is refused."""
    headers = {**made.bearer("trader", csrf=True), "Idempotency-Key": key.encode()}
    answer = await made.client.post("/sessions/start", json=START, headers=headers)
    checked(answer, 400)


@pytest.mark.parametrize(("method", "path"), [("PUT", "/symbols"), ("DELETE", "/api/health"), ("POST", "/symbols")])
async def test_other_methods_are_not_allowed(made: World, method: str, path: str) -> None:
    """The framework's own 405 has the same body."""
    assert checked(await made.client.request(method, path), 405).error_code == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/sessions/a/b/c", "/assets/../app.py", "/assets/index.html"])
async def test_unknown_paths_are_not_found(made: World, path: str) -> None:
    """The framework's own 404 has the same body, and no file but the pages' own is served."""
    assert checked(await made.get(path), 404).error_code == "NOT_FOUND"
