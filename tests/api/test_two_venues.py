"""A symbol that two venues have: each route that lists give it to takes it, and says whose it took."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from engine.catalogue import InstrumentForm
from engine.feeds.feed import Description, NumberOf
from engine.recordings.importing import Importer
from events.clock import NS_PER_SECOND, SystemClock
from events.rows import BAR_DTYPE, MARKET_DTYPE, MarketKind, Rows
from tests.api.worlds import World, world
from tests.documents.cases_002_backtests import result

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYMBOL = "EURUSD"
BARS, QUOTES = f"{SYMBOL}@MT5", f"{SYMBOL}@FXCM"
HOUR_NS = 3_600 * NS_PER_SECOND
DAY_NS = 24 * HOUR_NS
MONDAY_NS = 19_632 * DAY_NS  # 2023-10-02
WEEKS = 3
OF_BARS, OF_QUOTES = "rec_" + "1" * 16, "rec_" + "2" * 16
REPLAY = {"symbol": SYMBOL, "timeframe": "1h", "bars": 200, "params": {"fast": 5, "slow": 20}}
RUN = {"strategy": "ema_cross", "symbol": SYMBOL, "start_date": "2023-10-03", "end_date": "2023-10-20"}
CANDLES = f"/api/market/data?symbol={SYMBOL}"


class VenueFeed:
    """Rows of EURUSD of one venue."""

    def __init__(self, venue: str, rows: Rows) -> None:
        bars = rows.dtype == BAR_DTYPE
        self._rows = rows
        self._form = InstrumentForm(
            symbol=SYMBOL, venue=venue, asset_type="forex", base="EUR", quote="USD", price_step=1e-5, quantity_step=1.0
        )
        self._kinds = ("bar",) if bars else ("bid", "ask")
        self._section: Any = "bar" if bars else "market"

    def survey(self) -> Description:
        """What they are."""
        return Description(instruments=(self._form,), kinds=self._kinds, section=self._section, rows=len(self._rows))

    def chunks(self, number: NumberOf) -> Iterator[Rows]:
        """All at once."""
        rows = self._rows.copy()
        rows["instrument"] = number(self._form)
        yield rows


def open_hours(step_ns: int) -> np.ndarray:
    """Times of three weeks, int64[n] ns: of a week five days."""
    times: np.ndarray = MONDAY_NS + np.arange(WEEKS * 7 * DAY_NS // step_ns) * step_ns
    return times[(times - MONDAY_NS) % (7 * DAY_NS) < 5 * DAY_NS]


def hourly_bars() -> Rows:
    """Bars whose closes rise and fall."""
    times = open_hours(HOUR_NS)
    rows = np.zeros(len(times), BAR_DTYPE)
    rows["ts_event_ns"], rows["ts_received_ns"], rows["interval_ns"] = times, times + HOUR_NS, HOUR_NS
    rows["open"] = rows["close"] = np.round(1.05 + 0.01 * np.sin(np.arange(len(times)) / 9), 5)
    rows["high"], rows["low"], rows["volume"] = rows["open"] + 0.0005, rows["open"] - 0.0005, 1e6
    return rows


def quotes() -> Rows:
    """A bid and an ask every quarter of an hour."""
    times = np.repeat(open_hours(HOUR_NS // 4), 2)
    rows = np.zeros(len(times), MARKET_DTYPE)
    rows["ts_event_ns"] = rows["ts_received_ns"] = times
    rows["kind"] = np.tile([MarketKind.BID, MarketKind.ASK], len(times) // 2)
    rows["price"], rows["quantity"] = np.tile([1.0500, 1.0502], len(times) // 2), 1e6
    return rows


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Hourly bars of one venue, and imported behind them quotes of another."""
    async with world(tmp_path_factory.mktemp("two"), engine=True) as found:
        for content, feed in (("1", VenueFeed("MT5", hourly_bars())), ("2", VenueFeed("FXCM", quotes()))):
            await Importer(found.tape, SystemClock()).run(feed, content * 32, "three weeks", "file")
        await found.caught_up()
        yield found


async def test_candles_are_of_the_venue_that_has_them(made: World) -> None:
    """The symbol of the lists has candles, and the answer says whose; by its venue it has the same."""
    listed = (await made.get("/api/market/symbols")).json()["symbols"]
    assert listed == (await made.get("/symbols/")).json() == [SYMBOL]
    answer = await made.get(f"{CANDLES}&timeframe=1h")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Tape-Instrument"] == BARS
    assert len(answer.json()) == WEEKS * 5 * 24
    named = await made.get(f"/api/market/data?symbol={BARS}&timeframe=1h")
    assert (named.json(), named.headers["Tape-Instrument"]) == (answer.json(), BARS)


async def test_a_weekend_within_what_is_recorded_is_empty(made: World) -> None:
    """Outside it the error says what there is."""
    for timeframe in ("1h", "1d"):
        empty = await made.get(f"{CANDLES}&timeframe={timeframe}&start=2023-10-07&end=2023-10-09")
        assert (empty.status_code, empty.json()) == (200, []), empty.text
        assert int(empty.headers["Tape-Sequence"]) <= await made.last()
    for start, end in (("2022-01-01", "2022-02-01"), ("2024-01-01", "2024-02-01")):
        outside = await made.get(f"{CANDLES}&timeframe=1h&start={start}&end={end}")
        assert (outside.status_code, outside.json()["error_code"]) == (404, "NO_DATA")
        assert "2023-10-02T00:00:00Z" in outside.json()["error_message"]


async def test_what_has_quotes_alone_has_candles_of_their_middle(made: World) -> None:
    """Without volume, and said so; a weekend is empty, and outside there is an error."""
    path = f"/api/market/data?symbol={QUOTES}&timeframe=1h"
    answer = await made.get(path)
    assert answer.status_code == 200, answer.text
    assert (answer.headers["Tape-Instrument"], answer.headers["Candle-Source"]) == (QUOTES, "quotes")
    candles = answer.json()
    assert len(candles) == WEEKS * 5 * 24
    first = {name: candles[0][name] for name in ("open", "high", "low", "close", "volume")}
    assert first == pytest.approx({"open": 1.0501, "high": 1.0501, "low": 1.0501, "close": 1.0501, "volume": 0.0})
    weekend = await made.get(f"{path}&start=2023-10-07&end=2023-10-09")
    assert (weekend.status_code, weekend.json()) == (200, [])
    assert (await made.get(f"{path}&start=2024-10-07&end=2024-10-09")).json()["error_code"] == "NO_DATA"
    assert "Candle-Source" not in (await made.get(f"{CANDLES}&timeframe=1h")).headers


async def test_what_has_quotes_alone_has_a_price(made: World) -> None:
    """The middle of the newest bid and ask, and the reason says so."""
    found = (await made.get("/api/exchange/symbols")).json()["data"]["symbols"]
    prices = {one["exchange"]: one for one in found}
    of_quotes, of_bars = prices["FXCM"], prices["MT5"]
    assert of_quotes["price"] == pytest.approx(1.0501)
    assert of_quotes["price_time"].startswith("2023-10-20T23:45")
    assert "middle of the newest bid and ask" in of_quotes["reason"]
    assert (of_bars["reason"], of_bars["price"]) == (None, hourly_bars()["close"][-1])


@pytest.mark.parametrize(("symbol", "taken"), [(SYMBOL, OF_BARS), (BARS, OF_BARS), (QUOTES, OF_QUOTES)])
async def test_a_replay_is_of_the_venue_that_holds_the_bars(made: World, symbol: str, taken: str) -> None:
    """The document's own body, with the symbol of the lists; a venue that is named is the one."""
    answer = await made.client.post("/api/v1/backtest/run", json=REPLAY | {"symbol": symbol})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Tape-Instrument"] == (QUOTES if taken == OF_QUOTES else BARS)
    if taken == OF_BARS:
        assert (await result(made, answer.json()["data"]["jobId"]))["recording"] == OF_BARS


@pytest.mark.parametrize(("symbol", "taken"), [(SYMBOL, BARS), (BARS, BARS), ("eur/usd@FXCM", QUOTES)])
async def test_a_backtest_is_of_the_venue_whose_rows_are_decided_on(made: World, symbol: str, taken: str) -> None:
    """Not of the quotes that were imported later, unless they are named."""
    answer = await made.post("/api/backtests/run", RUN | {"symbol": symbol})
    assert (answer.status_code, answer.headers["Tape-Instrument"]) == (200, taken), answer.text
    body = (await made.get(f"/api/backtests/{answer.json()['backtest_id']}")).json()
    assert (body["symbol"], body["recording"]) == (SYMBOL, OF_QUOTES if taken == QUOTES else OF_BARS)


async def test_candles_of_any_range_are_of_one_venue(made: World) -> None:
    """A pager by weeks has one market, the one that is recorded longest; where it has none, the other's."""
    rows = hourly_bars()
    later = np.concatenate([rows[120:], rows[:48]])
    later["ts_event_ns"][-48:] += 4 * 7 * DAY_NS
    await Importer(made.tape, SystemClock()).run(VenueFeed("LATER", later), "3" * 32, "two weeks", "file")
    await made.caught_up()
    weeks = ("&end=2023-10-07", "&start=2023-10-09&end=2023-10-14", "&start=2023-10-16&end=2023-10-21")
    for at, taken in (("", "MT5"), *((week, "MT5") for week in weeks), ("&start=2023-10-30", "LATER")):
        answer = await made.get(f"{CANDLES}&timeframe=1h{at}")
        assert (answer.status_code, answer.headers["Tape-Instrument"]) == (200, f"{SYMBOL}@{taken}"), at
        assert len(answer.json()) >= 48


async def test_bars_that_are_too_long_are_told_beside_quotes(made: World) -> None:
    """Minutes are of the quotes; outside of these the error says that there are bars, and from which length on."""
    outside = await made.get(f"{CANDLES}&timeframe=1m&start=2018-06-06T10:00&end=2018-06-06T11:00")
    assert (outside.status_code, outside.json()["error_code"]) == (404, "NO_DATA")
    assert "2023-10-02T00:00:00Z" in outside.json()["error_message"]
    assert f"Other bars are longer: source import-{'1' * 16} from 1h on" in outside.json()["error_message"]
