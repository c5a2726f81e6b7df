"""Every route that takes a symbol finds it as others write it, and by its venue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import cycle
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
import pytest_asyncio

from events.errors import InvalidInput
from events.rows import Rows
from events.symbols import spelled
from tests.api.error_bodies import fields_at_fault
from tests.api.paths import filled
from tests.api.recordings import LiveSource, simulated_recording, ticks
from tests.api.worlds import World, until_state, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

KNOWN = "BTC_USDT"
SPELLINGS = ("BTCUSDT", "BTC/USDT", "BTC-USDT", "btc_usdt")
OF_VENUE = (f"{KNOWN}@SIM", "btcusdt@SIM")
ELSEWHERE = f"{KNOWN}@X"  # registered, and nothing is recorded of it
TWICE = ("AMB_USDT", "AMB/USDT")  # registered both
RECORDING = "rec_" + "a" * 16

Body = dict[str, Any]


class Filters(NamedTuple):
    """A read that a symbol narrows: what is found does not depend on how the symbol is written."""

    query: Mapping[str, str] = {}
    has: str = KNOWN  # is in the answer


class Commands(NamedTuple):
    """A request that does something: the command on the tape has the symbol as it is registered."""

    body: Body
    at: tuple[str | int, ...] = ("symbol",)  # where in the body
    listed: bool = False  # a list of symbols
    query: bool = False  # the body is a query string
    short: str = ""  # the field at fault once the symbol is found: what is recorded of it is short


class Nothing(NamedTuple):
    """A route that has nothing of any symbol, or takes it as it is written; `why` says so."""

    why: str


NO_MODEL = Nothing("no model is trained: every symbol is refused, or has no rows")
EMA = {"strategy": "ema_cross"}
RANGE = {"start_date": "2023-11-14T22:15:00Z", "end_date": "2023-11-14T23:00:00Z"}
REPLAY = {"timeframe": "1m", "strategy": "ema_cross", "params": {"fast": 3, "slow": 8}}
ORDER = {"side": "buy", "quantity": 0.001}
BACKTEST = EMA | RANGE

ROWS: dict[str, Filters | Commands | Nothing] = {
    "GET /api/market/data query symbol": Filters({"timeframe": "1m"}, '"close"'),
    "GET /api/executions query symbol": Filters(),
    "GET /api/signals query symbol": Filters(),
    "GET /api/instruments query symbol": Filters({"exchange": "SIM"}),
    "GET /api/sessions query symbol": Filters(),
    "GET /api/sessions/{session}/orders query symbol": Filters(),
    "GET /api/sessions/{session}/signals query symbol": Filters(),
    "GET /api/sessions/{session}/fills query symbol": Filters(),
    "GET /api/sessions/{session}/denials query symbol": Filters(),
    "GET /api/sessions/{session}/trades query symbol": Filters(),
    "GET /api/sessions/{session}/positions query symbol": Filters(),
    "GET /api/sessions/{session}/equity query symbol": Nothing("equity is of the account"),
    "GET /api/v1/backtest/results query symbol": Filters(),
    "POST /api/signals/filter body symbol": Commands({}),
    "POST /api/executions body symbol": Commands(ORDER),
    "POST /api/sessions/{session}/orders body symbol": Commands(ORDER),
    "POST /api/sessions/{session}/halt body symbol": Commands(EMA | {"halted": False}),
    "POST /sessions/start body symbols": Commands({"session_type": "collect"}, ("symbols",), True),
    "POST /api/sessions body symbols": Commands({"mode": "collect"}, ("symbols",), True),
    "POST /api/sessions body strategies[].symbols": Commands(
        {"mode": "backtest", "recording": RECORDING, "strategies": [EMA]}, ("strategies", 0, "symbols"), True
    ),
    "POST /api/sessions/{session}/fork body strategies[].symbols": Commands(
        {"strategies": [EMA]}, ("strategies", 0, "symbols"), True
    ),
    "POST /api/jobs/sweep body symbol": Commands(BACKTEST | {"grid": {"fast": [5, 6]}}),
    "POST /api/backtests/run body symbol": Commands(BACKTEST),
    "GET /api/backtests/stream query symbol": Commands(BACKTEST | {"initial_capital": 10_000}, query=True),
    "POST /api/v1/backtest/run body symbol": Commands(REPLAY | {"bars": 40}),
    "POST /api/v1/walkforward/run body symbol": Commands(REPLAY, short="trainWindowDays"),
    "POST /api/instruments body symbol": Nothing("registered as it is written"),
    "PUT /api/instruments/{instrument_id} body symbol": Nothing("as it was read: it does not change"),
    "GET /api/sentiment query symbol": NO_MODEL,
    "GET /api/predictions query symbol": NO_MODEL,
    "GET /api/predictions/stream query symbol": NO_MODEL,
    "GET /api/v1/training/jobs query symbol": NO_MODEL,
    "POST /api/infer/forecast/nbeats body symbol": NO_MODEL,
    "POST /api/training/start body symbol": NO_MODEL,
    "POST /api/models/train body symbol": NO_MODEL,
    "POST /api/predictions/generate query symbol": NO_MODEL,
    "POST /api/v1/training/start body symbols": NO_MODEL,
}
FILTERS = [name for name, row in ROWS.items() if isinstance(row, Filters)]
COMMANDS = [name for name, row in ROWS.items() if isinstance(row, Commands)]


class House(NamedTuple):
    """A world, and the sessions that are asked: one that runs, one that ended."""

    made: World
    running: str
    ended: str

    async def ask(self, name: str, symbol: str) -> httpx.Response:
        """The request of a row with a symbol."""
        row, (method, path, *_) = ROWS[name], name.split()
        session = self.ended if method == "GET" or path.endswith("/fork") else self.running
        if isinstance(row, Commands) and not row.query:
            body = put(row.body, row.at, [symbol] if row.listed else symbol)
            headers = self.made.bearer("trader", csrf=True)
            return await self.made.client.request(method, filled(path, session=session), json=body, headers=headers)
        query = row.body if isinstance(row, Commands) else getattr(row, "query", {})
        asked = {"symbol": symbol, **query}
        return await self.made.client.get(filled(path, session=session), params=asked, headers=self.made.bearer())


def put(body: Any, at: tuple[str | int, ...], value: Any) -> Any:
    """A body with a value somewhere in it."""
    if not at:
        return value
    if isinstance(body, list):
        return [put(one, at[1:], value) if number == at[0] else one for number, one in enumerate(body)]
    return body | {at[0]: put(body.get(at[0]), at[1:], value)}


def waves(count: int, start: int) -> Rows:
    """Ticks whose prices rise and fall, so that averages cross."""
    rows = ticks(count, start)
    rows["price"] *= 1 + 0.02 * np.sin(np.arange(len(rows)) / 60)
    return rows


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Sessions that have decided something of two symbols, an hour that is recorded, and a pair written twice."""
    async with world(tmp_path_factory.mktemp("symbols"), engine=True) as made:
        await simulated_recording(made.tape)
        source = LiveSource(made.tape)
        await source.open()
        await made.caught_up()
        for symbol in (*TWICE, KNOWN):
            told = {"symbol": symbol, "exchange": "X"}
            assert (await made.client.post("/api/instruments", json=told, headers=made.bearer())).status_code == 200
        both = {"symbols": [KNOWN, "ETH_USDT"], "strategy_config": {"strategies": ["ema_cross"]}}
        running = await started(made, both | {"session_type": "paper"})
        await source.give(waves(2_000, 0))
        tight = {"session_id": RECORDING, "budget": {"global_cap": 10_000}, "order_notional": 4_500}
        ended = await started(made, both | {"session_type": "backtest", "config": tight})
        await until_state(made, ended, "completed")
        body = REPLAY | {"symbol": KNOWN, "bars": 40}
        assert (await made.client.post("/api/v1/backtest/run", json=body)).status_code == 201
        await made.caught_up()
        yield House(made, running, ended)


async def started(made: World, body: Body) -> str:
    """A session that runs, or has run."""
    answer = await made.post("/sessions/start", body)
    assert answer.status_code == 200, answer.text
    session = str(answer.json()["data"]["data"]["session_id"])
    await until_state(made, session, "running", "completed")
    return session


async def test_every_route_that_takes_a_symbol_has_a_row(house: House) -> None:
    """By the description of the API; a new one without a row fails here."""
    assert set(taking((await house.made.get("/docs/openapi.json")).json())) == set(ROWS)


@pytest.mark.parametrize("name", FILTERS)
async def test_a_read_finds_what_it_finds_by_the_registered_symbol(house: House, name: str) -> None:
    """However the symbol is written; where it may be two, the answer names them and the field."""
    expected = await house.ask(name, KNOWN)
    assert expected.status_code == 200, expected.text
    assert getattr(ROWS[name], "has", "") in expected.text
    for text in (*SPELLINGS, *OF_VENUE):
        assert rows_in(await house.ask(name, text)) == rows_in(expected), text
    for text in ("NOSUCH_USDT", ELSEWHERE, f"{KNOWN}@NOWHERE"):
        assert rows_in(await house.ask(name, text)) != rows_in(expected), text
    await refused(house, name)
    if name != "GET /api/market/data query symbol":  # there it would have no candles
        answer = await house.ask(name, TWICE[0].lower())
        assert answer.status_code == 200, answer.text


def rows_in(answer: httpx.Response) -> Any:
    """What an answer has, without when it was given."""
    body = answer.json()
    return body["data"] if isinstance(body, dict) and "meta" in body else body


@pytest.mark.parametrize(
    ("name", "text"),
    [*zip(COMMANDS, cycle(SPELLINGS), strict=False), *zip(COMMANDS, cycle(OF_VENUE), strict=False)],
)
async def test_a_command_has_the_registered_symbol(house: House, name: str, text: str) -> None:
    """However the symbol is written, the tape has it as it is registered; what may be two is refused by its field."""
    last = await house.made.last()
    answer = await house.ask(name, text)
    row = ROWS[name]
    if isinstance(row, Commands) and row.short:
        assert fields_at_fault(answer) == {row.short}, answer.text
        return await refused(house, name)
    assert answer.status_code in (200, 201, 202), answer.text
    assert KNOWN in answer.text or [
        one async for one in house.made.tape.read(last + 1, subjects=("tape.command.>",)) if KNOWN in str(one.body)
    ]
    await refused(house, name)


async def refused(house: House, name: str) -> None:
    """A symbol that may be two is an error of its field; so is one that nobody knows, but where rows are looked for."""
    looks_for_rows = isinstance(ROWS[name], Filters) or name.startswith("POST /api/signals/filter")
    for text in ("AMBUSDT",) if looks_for_rows else ("AMBUSDT", "NOSUCH_USDT", ELSEWHERE):
        answer = await house.ask(name, text)
        assert 400 <= answer.status_code < 500, answer.text
        fields = {"strategy"} if name.endswith("/halt body symbol") and text == "NOSUCH_USDT" else {"symbol", "symbols"}
        assert {one.rsplit(".", 1)[-1] for one in fields_at_fault(answer)} & fields, answer.text


async def test_an_order_under_a_key_goes_to_the_session_of_the_venue(house: House) -> None:
    """The desk chooses it; another venue's instrument no session trades."""
    for text, status in ((OF_VENUE[1], 200), (ELSEWHERE, 409)):
        headers = house.made.bearer("trader", csrf=True) | {"Idempotency-Key": f"order {text}".replace(" ", "-")}
        body = ORDER | {"symbol": text}
        answers = [await house.made.client.post("/api/executions", json=body, headers=headers) for _ in range(2)]
        assert [one.status_code for one in answers] == [status, status], answers[0].text
        assert len({one.json().get("order", "") for one in answers}) == 1


@pytest.mark.parametrize("text", ["btc/usdt", "btc/usdt@SIM"])
async def test_a_configured_strategy_trades_the_symbol_that_is_meant(house: House, text: str) -> None:
    """Its symbols are found in those of the session."""
    made = house.made
    form = {"name": f"Glued {text}", "type": "ema_cross", "params": {"symbols": [text]}}
    told = await made.client.post("/api/strategies/", json=form, headers=made.bearer())
    assert told.status_code in (200, 201), told.text
    body = {"mode": "backtest", "recording": RECORDING, "strategies": [{"strategy": told.json()["id"]}]}
    answer = await made.client.post("/api/sessions", json=body, headers=made.bearer())
    assert answer.status_code == 200, answer.text
    spec = (await made.get(f"/api/sessions/{answer.json()['session']}")).json()["spec"]
    assert [one["symbols"] for one in spec["strategies"]] == [[KNOWN]]


@pytest.mark.parametrize(
    ("text", "known", "found"),
    [
        ("EURUSD", ["EUR/USD", "GBPUSD"], "EUR/USD"),
        ("EUR/USD", ["EURUSD"], "EURUSD"),
        ("eur-usd@OANDA", ["EURUSD"], "EURUSD@OANDA"),
        ("BTCUSDT", ["BTCUSDT", "BTC_USDT"], "BTCUSDT"),
        ("btc_usdt", ["BTCUSDT", "BTC_USDT"], "BTC_USDT"),
        ("BTC_usdt", ["btc_usdt", "BTC_USDT", "BTCUSDT", "BTC_usdt"], "BTC_usdt"),
        ("BTCUSD", ["BTC_USDT"], "BTCUSD"),
        ("///", ["BTC_USDT"], "///"),
    ],
)
async def test_a_symbol_is_spelled_as_it_is_known(text: str, known: list[str], found: str) -> None:
    """Itself where it is known, else the one that differs in case alone, else of the same letters, else as written."""
    assert spelled(text, known) == found


async def test_of_several_of_the_same_letters_none_is_guessed() -> None:
    """They are named."""
    with pytest.raises(InvalidInput, match="BTC/USDT, BTC_USDT") as error:
        spelled("BTCUSDT", ["BTC_USDT", "BTC/USDT"], "symbols")
    assert error.value.field == "symbols"


def taking(description: dict[str, Any]) -> Iterator[str]:
    """`METHOD path query|body name` of whatever is called a symbol in the description."""
    schemas = description["components"]["schemas"]
    for path, methods in description["paths"].items():
        for method, told in methods.items():
            for one in told.get("parameters", []):
                if one["name"] in ("symbol", "symbols"):
                    yield f"{method.upper()} {path} query {one['name']}"
            for content in told.get("requestBody", {}).get("content", {}).values():
                for name in set(named(content["schema"], schemas, "")):
                    yield f"{method.upper()} {path} body {name}"


def named(schema: dict[str, Any], schemas: dict[str, Any], at: str) -> Iterator[str]:
    """Dotted names of the fields of a body that are called a symbol."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[-1]]
    for part in (one for kind in ("oneOf", "anyOf", "allOf") for one in schema.get(kind, [])):
        yield from named(part, schemas, at)
    if isinstance(schema.get("items"), dict):
        yield from named(schema["items"], schemas, f"{at}[]")
    for name, each in schema.get("properties", {}).items():
        here = f"{at}.{name}" if at else name
        if name in ("symbol", "symbols"):
            yield here
        yield from named(each, schemas, here)
