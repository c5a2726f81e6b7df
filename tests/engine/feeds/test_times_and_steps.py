"""Times of every spelling to UTC, and the steps that prices are made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.errors import BadMapping
from engine.feeds.report import Notes
from engine.feeds.stamps import BAD_TIME, counted, stamps
from engine.feeds.steps import StepFinder
from engine.feeds.symbols import pair_of, symbol_in_name
from engine.feeds.zones import to_utc, zone_of
from tests.engine.feeds.small_files import ns

ZONES = ("America/New_York", "America/Chicago", "Europe/Athens", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)  # local times are compared with it


def wall(text: str) -> int:
    """ns of a local time, read as if it were UTC."""
    return ns(text + "Z")


@given(
    moments=st.lists(st.datetimes(EPOCH.replace(year=1995), EPOCH.replace(year=2030)), min_size=1, max_size=30),
    zone=st.sampled_from(ZONES),
)
def test_local_times_are_those_of_zoneinfo(moments: list[datetime], zone: str) -> None:
    """Each local time becomes the UTC that Python's own zones give, its first occurrence where there are two."""
    local = np.array([(moment - EPOCH) // timedelta(microseconds=1) * 1000 for moment in moments], np.int64)
    found = to_utc(local, zone_of(zone))
    for moment, time_ns in zip(moments, found.times.tolist(), strict=True):
        expected = moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        assert time_ns == (expected - EPOCH.replace(tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def test_clock_changes_are_named() -> None:
    """The hour that New York has twice and the one that it skips are marked."""
    twice = to_utc(np.array([wall("2013-11-03T01:30:00"), wall("2013-11-03T03:00:00")]), zone_of("America/New_York"))
    never = to_utc(np.array([wall("2013-03-10T02:30:00"), wall("2013-03-10T03:30:00")]), zone_of("America/New_York"))
    assert (twice.twice.tolist(), twice.never.tolist()) == ([True, False], [False, False])
    assert (never.twice.tolist(), never.never.tolist()) == ([False, False], [True, False])
    assert twice.times.tolist() == [ns("2013-11-03T05:30:00Z"), ns("2013-11-03T08:00:00Z")]
    assert never.times.tolist() == [ns("2013-03-10T07:30:00Z"), ns("2013-03-10T07:30:00Z")]


@pytest.mark.parametrize(
    ("zone", "utc"),
    [
        ("UTC-05", "2017-07-03T17:00:00Z"),
        ("UTC+05:30", "2017-07-03T06:30:00Z"),
        ("America/New_York+7h", "2017-07-03T09:00:00Z"),
        ("UTC+2h", "2017-07-03T10:00:00Z"),
    ],
)
def test_fixed_and_shifted_zones(zone: str, utc: str) -> None:
    """Noon in a zone of a fixed distance, or of one that is so many hours ahead of another."""
    assert to_utc(np.array([wall("2017-07-03T12:00:00")]), zone_of(zone)).times.tolist() == [ns(utc)]


@pytest.mark.parametrize("zone", ["Nowhere/Town", "UTC+99", "../etc/passwd", "", "/etc/localtime"])
def test_unknown_zone_is_refused(zone: str) -> None:
    """A zone that does not exist is refused, a path too."""
    with pytest.raises(BadMapping, match="There is no time zone"):
        zone_of(zone)


@pytest.mark.parametrize(
    ("text", "expected", "local"),
    [
        ("2013-09-01 17:00:00.083", "2013-09-01T17:00:00.083Z", True),
        ("2013-09-01 17:00:00", "2013-09-01T17:00:00Z", True),
        ("2023-09-05T16:00:01.281719Z", "2023-09-05T16:00:01.281719Z", False),
        ("2023-03-01 00:00:00+02:00", "2023-02-28T22:00:00Z", False),
        ("2019-10-17 12-AM", "2019-10-17T00:00:00Z", True),
        ("2019-10-17 12-PM", "2019-10-17T12:00:00Z", True),
        ("2008-01-02", "2008-01-02T00:00:00Z", True),
        ("2015.01.02 09:00:00", "2015-01-02T09:00:00Z", True),
        ("20170301 000100", "2017-03-01T00:01:00Z", True),
        ("20070101 21:00", "2007-01-01T21:00:00Z", True),
        ("1570752011", "2019-10-11T00:00:11Z", False),
        ("1570752011620", "2019-10-11T00:00:11.620Z", False),
    ],
)
def test_spellings_of_a_time(text: str, expected: str, local: bool) -> None:
    """Each spelling is read, and known to name its zone or not; garbage beside it is unreadable, not another time."""
    column = pl.Series([text, text]) if not text.isdigit() else pl.Series([int(text)] * 2)
    found = stamps(column, Notes(), np.arange(2))
    assert found.times.tolist() == [ns(expected)] * 2
    assert found.local is local
    if not text.isdigit():
        mixed = stamps(pl.Series(["what", text, "9999-99-99 25:61:00", None]), Notes(), np.arange(4))
        assert mixed.times.tolist() == [BAD_TIME, ns(expected), BAD_TIME, BAD_TIME]


@pytest.mark.parametrize("text", ["9999-01-01 00:00:00", "1600-01-01 00:00:00", "2262-04-12 00:00:00"])
def test_times_beyond_the_calendar_are_not_wrapped(text: str) -> None:
    """A year that int64 ns cannot hold is unreadable instead of another year."""
    assert stamps(pl.Series([text]), Notes(), np.arange(1)).times.tolist() == [BAD_TIME]


def test_nanoseconds_of_text_are_kept() -> None:
    """Nine digits behind the second are all kept."""
    found = stamps(pl.Series(["2023-09-05T16:00:01.281719123Z"]), Notes(), np.arange(1))
    assert found.times.tolist() == [ns("2023-09-05T16:00:01.281719Z") + 123]


@given(st.lists(st.integers(10**9, 7 * 10**18), min_size=1, max_size=20))
def test_units_of_counts_are_told_by_size(counts: list[int]) -> None:
    """Seconds, milliseconds, microseconds and nanoseconds may stand in one column; each is read by its size."""
    found = counted(np.array(counts, np.int64), Notes(), np.arange(len(counts)))
    for count, time_ns in zip(counts, found.tolist(), strict=True):
        scale = 10**9 if count < 10**10 else 10**6 if count < 10**13 else 10**3 if count < 10**16 else 1
        assert time_ns == (count * scale if count * scale <= 7_258_118_400 * 10**9 else BAD_TIME)


def test_several_units_are_a_finding() -> None:
    """Where two units stand in one column, the rows of the other unit are named."""
    notes = Notes()
    counted(np.array([1680652800005184, 1680652800005185, 1723161256172216566]), notes, np.array([7, 8, 9]), "local")
    finding = notes.report("f", "x").find("MIXED_CLOCKS")
    assert finding is not None
    assert (finding.count, finding.rows) == (1, (9,))
    assert "local us and ns" in finding.message


@pytest.mark.parametrize("step", [0.25, 0.01, 1e-8, 0.5, 0.05, 1.0, 0.1, 0.00025, 5.0, 0.02])
def test_step_of_prices_is_found(step: float) -> None:
    """The step of a random set of prices is found, however they are cut."""
    chance = np.random.Generator(np.random.Philox(key=4))
    prices = np.array([round(count * step, 10) for count in chance.integers(10, 2_000_000, 500)])
    finder = StepFinder()
    for part in np.array_split(prices, 7):
        finder.see(part)
    assert finder.step == pytest.approx(step, rel=1e-12)


def test_prices_without_a_step_have_none() -> None:
    """Prices out of a computation are on no grid: the step is 0, not a wrong one."""
    finder = StepFinder()
    finder.see(np.array([49.27333450317383, 49.71666717529297]))
    assert finder.step == 0.0
    assert StepFinder().step == 0.0


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40), st.integers(0, 8))
def test_found_step_divides_every_price(counts: list[int], decimals: int) -> None:
    """Whatever the prices, each is a whole number of the found steps."""
    finder = StepFinder()
    prices = np.array(counts) / 10**decimals
    finder.see(prices)
    if finder.step:
        steps = prices / finder.step
        assert np.abs(steps - np.rint(steps)).max() < 1e-4


@pytest.mark.parametrize(
    ("symbol", "asset", "base", "quote"),
    [
        ("AST/BTC", "crypto", "AST", "BTC"),
        ("BTC-USD", "crypto", "BTC", "USD"),
        ("BTCUSDT", "crypto", "BTC", "USDT"),
        ("BTCUSD_PERP", "perpetual", "BTC", "USD"),
        ("ETHUSD_210924", "future", "ETH", "USD"),
        ("BTCUSDC", "crypto", "BTC", "USDC"),
        ("SNGLSBTC", "crypto", "SNGLS", "BTC"),
        ("EURUSD", "forex", "EUR", "USD"),
        ("GBPUSD.BID", "forex", "GBP", "USD"),
        ("USDNOK", "forex", "USD", "NOK"),
        ("SPY", "equity", "SPY", "USD"),
        ("ES", "future", "", ""),
    ],
)
def test_currencies_of_a_symbol(symbol: str, asset: str, base: str, quote: str) -> None:
    """Base and quote of the usual spellings."""
    assert tuple(pair_of(symbol, asset)) == (base, quote)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("freqtrade_XRP_ETH-trades.feather", "XRP/ETH"),
        ("ORBS_USDT_labeled.csv.gz", "ORBS/USDT"),
        ("ftx_BTC-PERP_1m_20220101.csv.gz", "BTC-PERP"),
        ("binance_BTCUSDT_1h_2022_2025.csv.gz", "BTCUSDT"),
        ("gbpusd-m1-bid-2012.csv.gz", "GBPUSD"),
        ("DAT_ASCII_EURUSD_M1_201703.csv.gz", "EURUSD"),
        ("trades.parquet", ""),
        ("freqtrade_public_trades_list.csv", ""),
    ],
)
def test_symbol_in_a_file_name(name: str, symbol: str) -> None:
    """The pair that a name holds; none where it holds none."""
    assert symbol_in_name(name) == symbol
