"""The market: candles that equal the rows they are made of, and errors that say what there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from api.reading.reader import Moment
from engine import catalogue
from engine.catalogue import InstrumentForm
from engine.feeds.simulated import SimulatedFeed, SimulatedInstrument, SimulatedMarket
from events import frames, subjects
from events.clock import iso
from events.errors import InvalidInput, ReadModelUnavailable
from events.frames import Section
from events.rows import BAR_DTYPE, MARKET_DTYPE, MarketKind, SectionKind
from events.tape import Append
from tests.api.recordings import MARKET, LiveSource, simulated_recording
from tests.api.worlds import World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE_NS = 60 * 1_000_000_000
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
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
    before = await made.get("/api/market/data?symbol=BTC_USDT&timeframe=1h&end=1970-01-01T00:00:00Z")
    assert (before.status_code, before.json()["error_code"]) == (404, "NO_DATA"), "before the beginning of 1970"


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


async def test_a_symbol_of_two_venues_that_have_nothing_is_not_there(made: World) -> None:
    """Nobody is asked which one is meant."""
    twice = LiveSource(made.tape, ("TWICE",), "live-a")
    await twice.open()
    await LiveSource(made.tape, ("TWICE",), "live-b", "OTHER").open()
    await made.caught_up()
    for symbol in ("TWICE", "TWICE@OTHER"):
        answer = await made.get(f"/api/market/data?symbol={symbol}&timeframe=1h")
        assert (answer.status_code, answer.json()["error_code"]) == (404, "NO_DATA")


async def test_too_many_candles_are_refused_by_name(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A range over the maximum says so; it is not cut silently."""
    monkeypatch.setattr("api.services.candles.CANDLES_MAX", 10)
    start = iso(FIRST_MINUTE)
    answer = await made.get(f"/api/market/data?symbol=BTC_USDT&timeframe=1m&start={start}")
    assert (answer.status_code, answer.json()["field"]) == (400, "start")


async def test_a_range_over_many_files_is_one_series(made: World) -> None:
    """Six imported months are read as one: each alone, all together, and an error lists them all."""
    month_ns = 30 * DAY_NS
    for month in range(6):
        market = monthly("MONTHS_USDT", MARKET.start_ns + month * month_ns)
        await simulated_recording(made.tape, market, format(month + 1, "x") * 32)
    await made.caught_up()
    path = "/api/market/data?symbol=MONTHS_USDT"
    days = (await made.get(f"{path}&timeframe=1d&start=2023-01-01")).json()
    assert len(days) == 6
    assert (await made.get(f"{path}&timeframe=1d")).json() == days
    first = (await made.get(f"{path}&timeframe=1d&start=2023-11-14&end=2023-11-15")).json()
    assert first == days[:1]
    nothing = (await made.get(f"{path}&timeframe=1h&start=2030-01-01")).json()["error_message"]
    assert nothing.count("source import-") == 6


async def test_a_candle_that_lies_in_two_files_is_one(made: World) -> None:
    """Files that follow each other within a day make one candle of it; the same rows twice do not count twice."""
    for half, content in enumerate(("e" * 32, "f" * 32)):
        market = monthly("HALF_USDT", MARKET.start_ns - 8 * HOUR_NS + half * 2 * HOUR_NS)
        await simulated_recording(made.tape, market, content)
    await made.caught_up()
    path = "/api/market/data?symbol=HALF_USDT&timeframe=1d"
    halves = [(await made.get(f"{path}&source=import-{letter * 16}")).json()[0] for letter in "ef"]
    [day] = (await made.get(path)).json()
    assert (day["open"], day["close"]) == (halves[0]["open"], halves[1]["close"])
    assert (day["high"], day["low"]) == (max(one["high"] for one in halves), min(one["low"] for one in halves))
    assert day["volume"] == pytest.approx(sum(one["volume"] for one in halves))
    again = monthly("HALF_USDT", MARKET.start_ns - 6 * HOUR_NS, seed=9)
    await simulated_recording(made.tape, again, "d" * 32)
    await made.caught_up()
    [other] = (await made.get(f"{path}&source=import-{'d' * 16}")).json()
    [day] = (await made.get(path)).json()
    assert day["volume"] == pytest.approx(halves[0]["volume"] + other["volume"]), "the newer of two of one hour"


def monthly(symbol: str, start_ns: int, seed: int = 5) -> SimulatedMarket:
    """A quiet hour."""
    only = SimulatedInstrument(symbol=symbol, price=10.0, trades_per_second=0.05)
    return SimulatedMarket(instruments=(only,), seed=seed, duration_s=3_600, start_ns=start_ns)


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


async def hourly_bars(made: World, symbol: str, source: str, count: int = 30) -> None:
    """A source that gives bars of an hour and no trades."""
    await LiveSource(made.tape, (symbol,), source, "FX").open()
    number = (await catalogue.load(made.tape)).find(symbol).number
    rows = np.zeros(count, BAR_DTYPE)
    rows["ts_event_ns"] = HOUR_NS * (MARKET.start_ns // HOUR_NS) + HOUR_NS * np.arange(count)
    rows["ts_received_ns"] = rows["ts_event_ns"] + HOUR_NS
    rows["open"], rows["high"], rows["low"], rows["close"] = 1.1, 1.3, 1.0, 1.2
    rows["volume"], rows["interval_ns"], rows["instrument"] = 2.0, HOUR_NS, number
    body = frames.encode([Section(SectionKind.BAR, rows)])
    await made.tape.append(Append(subjects.market(source), body, f"{source}:bars"))
    await made.caught_up()


async def test_bars_make_every_longer_timeframe_and_no_shorter(made: World) -> None:
    """Candles of hours and more come from bars of an hour; a shorter timeframe is refused with what there is."""
    await hourly_bars(made, "EURUSD", "fx-hours")
    hours = (await made.get("/api/market/data?symbol=EURUSD&timeframe=1h")).json()
    four = (await made.get("/api/market/data?symbol=EURUSD&timeframe=4h")).json()
    days = (await made.get("/api/market/data?symbol=EURUSD&timeframe=1d")).json()
    assert len(hours) == 30
    assert sum(one["volume"] for one in four) == sum(one["volume"] for one in days) == 60
    assert len(days) < len(four) < len(hours)
    answer = await made.get("/api/market/data?symbol=EURUSD&timeframe=15m")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "TIMEFRAME_TOO_SHORT")
    assert answer.json()["field"] == "timeframe"
    assert "source fx-hours from 1h on" in answer.json()["error_message"]


async def test_a_symbol_is_found_as_others_write_it(made: World) -> None:
    """What parts a symbol and small letters do not matter where nothing has that very symbol."""
    wanted = await made.get("/api/market/data?symbol=BTC_USDT&timeframe=1h")
    for text in ("BTCUSDT", "BTC/USDT", "btc-usdt", "BTCUSDT@SIM"):
        assert (await made.get(f"/api/market/data?symbol={text}&timeframe=1h")).json() == wanted.json(), text
    assert (await made.get("/api/market/data?symbol=BTCUSDT@NOWHERE&timeframe=1h")).status_code == 404
    await LiveSource(made.tape, ("DOGE_USDT", "DOGEUSDT"), "dogs").open()
    await made.caught_up()
    several = await made.get("/api/market/data?symbol=doge-usdt&timeframe=1h")
    assert (several.status_code, several.json()["field"]) == (400, "symbol")
    assert "DOGE_USDT@SIM, DOGEUSDT@SIM" in several.json()["error_message"]


async def test_an_unknown_symbol_names_its_own_kind_first(made: World) -> None:
    """A share that is not there: the error says what it looks like, and what there is of that kind."""
    await LiveSource(made.tape, ("MSFT",), "shares", "NASDAQ").open()
    form = InstrumentForm(symbol="SPY", venue="ARCA", asset_type="equity", quote="USD")
    await catalogue.register(made.tape, [form])
    await made.caught_up()
    answer = await made.get("/api/market/data?symbol=AAPL&timeframe=1d")
    assert answer.status_code == 404
    assert "looks like stocks. Known: SPY" in answer.json()["error_message"]
    listed = (await made.get("/api/market/symbols?asset_type=stocks")).json()["symbols"]
    assert "SPY" in listed
    nothing = await made.get("/api/market/data?symbol=SPY&timeframe=1d")
    assert (nothing.status_code, nothing.json()["error_code"]) == (404, "NO_DATA")


async def down(*_: object, **__: object) -> None:
    """A market store that does not answer."""
    raise ReadModelUnavailable("The market store does not answer.")


async def prices_of(made: World, *, until_ns: int = 0) -> list[dict[str, Any]]:
    """The list of symbols, with what is kept made as old as that."""
    made.house.prices._kept_until_ns = until_ns
    answer = await made.get("/api/exchange/symbols")
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["data"]["symbols"]
    return found


async def test_without_the_market_store_the_last_prices_are_given(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A market store that does not answer any more leaves the last list with its old time; its return renews it."""
    before = await prices_of(made)
    monkeypatch.setattr(made.house.market, "prices", down)
    assert await prices_of(made) == before
    assert next(one for one in before if one["symbol"] == "BTC_USDT")["price"] > 0
    monkeypatch.undo()
    after = await prices_of(made)
    assert after[0]["timestamp"] > before[0]["timestamp"]


async def test_without_any_prices_they_are_null_with_a_reason(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A market store that never answered leaves the list, with nulls and why; so it is as of a moment of its own."""
    whole = await prices_of(made)
    monkeypatch.setattr(made.house.market, "prices", down)
    last = await made.last()
    asked = (await made.get(f"/api/exchange/symbols?as_of={last}")).json()["data"]["symbols"]
    monkeypatch.setattr(made.house.prices, "_whole", None)
    for found in (asked, await prices_of(made)):
        assert {one["symbol"] for one in found} == {one["symbol"] for one in whole}
        assert all(one["price"] is None and one["price_time"] is None for one in found)
        assert all("market store" in one["reason"] for one in found)
    monkeypatch.setattr(made.house.market, "candles", down)
    assert (await made.get("/api/market/data?symbol=BTC_USDT&timeframe=1h")).status_code == 503


async def test_a_symbol_without_trades_says_so_until_it_has_some(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is listed with zeros and the reason, and that is not kept for as long as prices are."""
    monkeypatch.setattr("api.services.prices.WITHOUT_PRICES_SECONDS", 0.0)
    silent = LiveSource(made.tape, ("LATER_USDT",), "silent")
    await silent.open()
    await made.caught_up()
    one = next(one for one in await prices_of(made) if one["symbol"] == "LATER_USDT")
    assert (one["price"], one["reason"]) == (0, "Nothing of it was traded yet.")
    rows = np.zeros(1, MARKET_DTYPE)
    rows["ts_event_ns"] = rows["ts_received_ns"] = MARKET.start_ns
    rows["price"], rows["quantity"], rows["kind"] = 7.5, 2.0, MarketKind.TRADE
    rows["instrument"] = (await catalogue.load(made.tape)).find("LATER_USDT").number
    await silent.give(rows)
    await made.caught_up()
    answer = await made.get("/api/exchange/symbols")
    one = next(one for one in answer.json()["data"]["symbols"] if one["symbol"] == "LATER_USDT")
    assert (one["price"], one["volume24h"], one["reason"]) == (7.5, 15.0, None)


async def test_a_symbol_registered_later_is_listed_though_prices_are_kept(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept is asked anew within seconds of another symbol, or of the first source of one that had none."""
    before = await prices_of(made, until_ns=2**62)
    await LiveSource(made.tape, ("NEWCOMER_USDT",), "newcomer").open()
    await made.caught_up()
    assert (await made.get("/api/exchange/symbols")).json()["data"]["symbols"] == before
    monkeypatch.setattr(made.house.prices, "_looked_until_ns", 0)
    after = (await made.get("/api/exchange/symbols")).json()["data"]["symbols"]
    assert {one["symbol"] for one in after} - {one["symbol"] for one in before} == {"NEWCOMER_USDT"}


async def test_prices_of_a_market_store_far_behind_are_soon_asked_again(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list is kept while the market store is near the read model; one that is far behind is asked anew."""
    near = await prices_of(made)
    again = await made.get("/api/exchange/symbols")
    assert again.json()["data"]["symbols"] == near
    monkeypatch.setattr("api.services.prices.WITHOUT_PRICES_SECONDS", 0.0)
    monkeypatch.setattr("api.services.prices.BEHIND_EVENTS_MAX", -1)
    behind = await prices_of(made)
    later = (await made.get("/api/exchange/symbols")).json()["data"]["symbols"]
    assert later[0]["timestamp"] > behind[0]["timestamp"]


async def test_a_moment_too_far_back_is_the_askers_error(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the market store cannot show as of then is a 400 with its reason, no list without prices."""

    async def too_far(moment: Moment) -> int | None:
        raise InvalidInput("Too far back.", code="AS_OF_TOO_FAR", field="as_of")

    monkeypatch.setattr(made.house.reader, "market_as_of", too_far)
    answer = await made.get(f"/api/exchange/symbols?as_of={await made.last()}")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "AS_OF_TOO_FAR")
    assert (await made.get("/api/exchange/symbols")).status_code == 200
