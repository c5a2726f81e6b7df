"""The market: candles that equal the rows they are made of, and errors that say what there is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from engine.feeds.simulated import SimulatedFeed
from events.clock import iso
from events.errors import ReadModelUnavailable
from events.rows import MarketKind
from tests.api.recordings import MARKET, LiveSource, simulated_recording
from tests.api.worlds import World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE_NS = 60 * 1_000_000_000
FIRST_MINUTE = (MARKET.start_ns // MINUTE_NS + 1) * MINUTE_NS


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with a recorded hour, and a live source that has not traded yet."""
    async with world(tmp_path_factory.mktemp("market")) as found:
        await simulated_recording(found.tape)
        await LiveSource(found.tape).open()
        await found.caught_up()
        yield found


async def test_candles_are_made_of_the_recorded_trades(made: World) -> None:
    """A minute's candle has the first, highest, lowest and last price of its trades, and their volume."""
    rows = next(SimulatedFeed(MARKET).chunks(lambda form: {"BTC_USDT": 1, "ETH_USDT": 2}[form.symbol]))
    wanted = rows[
        (rows["instrument"] == 1)
        & (rows["kind"] == MarketKind.TRADE)
        & (rows["ts_event_ns"] >= FIRST_MINUTE)
        & (rows["ts_event_ns"] < FIRST_MINUTE + MINUTE_NS)
    ]
    start, end = iso(FIRST_MINUTE), iso(FIRST_MINUTE + MINUTE_NS)
    answer = await made.get(f"/api/market/data?symbol=BTC_USDT&timeframe=1m&start={start}&end={end}")
    [candle] = answer.json()
    assert candle["timestamp"] == start.replace(".000000Z", "Z")
    assert (candle["open"], candle["close"]) == (wanted["price"][0], wanted["price"][-1])
    assert (candle["high"], candle["low"]) == (wanted["price"].max(), wanted["price"].min())
    assert candle["volume"] == pytest.approx(wanted["quantity"].sum())


@pytest.mark.parametrize(("timeframe", "count"), [("1m", 61), ("5m", 13), ("15m", 5), ("1h", 2), ("4h", 1), ("1d", 1)])
async def test_every_timeframe(made: World, timeframe: str, count: int) -> None:
    """An hour that begins within a minute touches this many candles, oldest first."""
    found = (await made.get(f"/api/market/data?symbol=ETH_USDT&timeframe={timeframe}")).json()
    times = [one["timestamp"] for one in found]
    assert times == sorted(times)
    assert count - 1 <= len(found) <= count


async def test_a_plus_in_the_address_is_a_plus(made: World) -> None:
    """A time zone whose plus the address turned into a space is understood."""
    start = iso(FIRST_MINUTE).replace("Z", "+00:00")
    plain = await made.get(f"/api/market/data?symbol=BTC_USDT&timeframe=1m&start={start}")
    assert plain.status_code == 200
    assert plain.json()[0]["timestamp"] == iso(FIRST_MINUTE).replace(".000000Z", "Z")


async def test_an_empty_range_says_what_there_is(made: World) -> None:
    """No candle in the range: 404 with the stretch that exists, by source."""
    answer = await made.get("/api/market/data?symbol=BTC_USDT&timeframe=1h&start=2030-01-01")
    body = answer.json()
    assert (answer.status_code, body["error_code"], body["field"]) == (404, "NO_DATA", "start")
    assert "source import-aaaaaaaaaaaaaaaa from 2023-11-14T22:00:00Z to 2023-11-14T23:00:00Z" in body["error_message"]


async def test_unknown_symbols_and_sources_name_those_there_are(made: World) -> None:
    """A symbol or source that is not there: 404 with those that are."""
    symbol = await made.get("/api/market/data?symbol=NOPE&timeframe=1h")
    assert "BTC_USDT, ETH_USDT" in symbol.json()["error_message"]
    source = await made.get("/api/market/data?symbol=BTC_USDT&timeframe=1h&source=nope")
    assert "live, import-aaaaaaaaaaaaaaaa" in source.json()["error_message"]


async def test_a_named_source_is_the_only_one_asked(made: World) -> None:
    """The live source has not traded: named, it has nothing; unnamed, the recording answers."""
    named = await made.get("/api/market/data?symbol=BTC_USDT&timeframe=1h&source=live")
    assert (named.status_code, named.json()["error_code"]) == (404, "NO_DATA")
    assert (await made.get("/api/market/data?symbol=BTC_USDT&timeframe=1h")).status_code == 200


async def test_a_symbol_at_two_venues_is_named_with_its_venue(made: World) -> None:
    """One symbol at several venues: the error lists them, and SYMBOL@VENUE tells them apart."""
    twice = LiveSource(made.tape, ("TWICE",), "live-a")
    await twice.open()
    await LiveSource(made.tape, ("TWICE",), "live-b", "OTHER").open()
    await made.caught_up()
    answer = await made.get("/api/market/data?symbol=TWICE&timeframe=1h")
    assert (answer.status_code, answer.json()["field"]) == (400, "symbol")
    assert "TWICE@SIM, TWICE@OTHER" in answer.json()["error_message"]
    assert (await made.get("/api/market/data?symbol=TWICE@OTHER&timeframe=1h")).json()["error_code"] == "NO_DATA"


async def test_too_many_candles_are_refused_by_name(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A range over the maximum says so; it is not cut silently."""
    monkeypatch.setattr("api.market.CANDLES_MAX", 10)
    start = iso(FIRST_MINUTE)
    answer = await made.get(f"/api/market/data?symbol=BTC_USDT&timeframe=1m&start={start}")
    assert (answer.status_code, answer.json()["field"]) == (400, "start")


@pytest.mark.parametrize(
    ("asset_type", "has"), [("all", True), ("crypto", True), ("forex", False), ("indices", False), ("stocks", False)]
)
async def test_symbols_by_asset_type(made: World, asset_type: str, has: bool) -> None:
    """The asset type is echoed and filters."""
    body = (await made.get(f"/api/market/symbols?asset_type={asset_type}")).json()
    assert body["asset_type"] == asset_type
    assert ("BTC_USDT" in body["symbols"]) is has


async def test_prices_come_from_the_source_that_has_them(made: World) -> None:
    """The newest price is of the recording as long as the live source has not traded."""
    found = (await made.get("/api/exchange/symbols")).json()["data"]["symbols"]
    bitcoin = next(one for one in found if one["symbol"] == "BTC_USDT")
    candles = (await made.get("/api/market/data?symbol=BTC_USDT&timeframe=1m")).json()
    assert bitcoin["price"] == candles[-1]["close"]
    assert bitcoin["price_time"] >= candles[-1]["timestamp"]


async def test_without_the_market_store_every_symbol_is_still_listed(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A market store that does not answer leaves the list, with zeros and no time of a price."""

    async def down(*_: object, **__: object) -> None:
        raise ReadModelUnavailable("The market store does not answer.")

    monkeypatch.setattr(made.house.market, "prices", down)
    monkeypatch.setattr(made.house.prices, "_kept", None)
    answer = await made.get("/api/exchange/symbols")
    found = answer.json()["data"]["symbols"]
    assert answer.status_code == 200
    assert {one["symbol"] for one in found} >= {"BTC_USDT", "ETH_USDT"}
    assert all(one["price"] == 0 and one["price_time"] is None for one in found)
    monkeypatch.setattr(made.house.market, "candles", down)
    assert (await made.get("/api/market/data?symbol=BTC_USDT&timeframe=1h")).status_code == 503
