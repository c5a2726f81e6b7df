"""Every recorded market that is at hand, against the counts of its INDEX.md and the traps that it names."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from engine.feeds.errors import BadMapping, UnknownFormat, Unreadable
from engine.feeds.file_feed import FileFeed
from engine.feeds.merge import MergedFeed
from engine.feeds.report import Report
from events.rows import MarketFlag, MarketKind
from tests.engine.feeds.small_files import all_rows, feed_of, ns

# path, options
TABULAR: tuple[tuple[str, dict[str, object]], ...] = (
    ("crypto_ohlcv/binance_BTCUSDT_1h_2022_2025.csv.gz", {}),
    ("crypto_ohlcv/binance_ETHUSDT_1h_2022_2025.csv.gz", {}),
    ("crypto_ohlcv/ftx_BTC-PERP_1m_20220101_20220201.csv.gz", {}),
    ("crypto_ohlcv/binanceus_BTCUSDT_1m_20230301_20230321.csv.gz", {}),
    ("crypto_ohlcv/binanceus_BTCUSDC_1m_20230301_20230321.csv.gz", {}),
    ("crypto_ohlcv/freqtrade_ETH_BTC-5m.feather", {}),
    ("crypto_ohlcv/freqtrade_XRP_ETH-1m.feather", {}),
    ("crypto_ohlcv/mexc_BTCUSDT_1h_2025_2026.csv.gz", {}),
    ("crypto_trades_small/coinbase_btcusd_trades_20230905.csv.gz", {}),
    ("crypto_trades_small/freqtrade_XRP_ETH-trades.feather", {}),
    ("crypto_trades_small/freqtrade_public_trades_list.csv", {"symbol": "ETH/USDT"}),
    ("crypto_trades_small/nautilus_binance_btcusdt-trades.parquet", {}),
    ("es_futures_ticks/tick_data.csv.gz", {}),
    ("fx_h1/lean_oanda_eurusd_hour.zip", {}),
    ("fx_h1/mt5_EURUSD_H1.csv.gz", {}),
    ("fx_h1/mt5_GBPUSD_H1.csv.gz", {}),
    ("fx_m1/gbpusd-m1-bid-2012.csv.gz", {}),
    ("fx_m1/gbpusd-m1-ask-2012.csv.gz", {}),
    ("fx_m1/DAT_ASCII_EURUSD_M1_201703.csv.gz", {}),
    ("fx_m1/DAT_ASCII_EURUSD_M1_201704.csv.gz", {}),
    ("fx_quote_ticks/fxcm_eurusd_20140506_quote.zip", {}),
    ("fx_quote_ticks/fxcm_eurusd_20140507_quote.zip", {}),
    ("fx_quote_ticks/fxcm_eurusd_20140508_quote.zip", {}),
    ("l2_l3_books/bitstamp_l3_orders_20150501.csv.xz", {}),
    ("pump_events_ticks/AST_2018-09-07_15.30.csv.gz", {}),
    ("pump_events_ticks/BRD_2018-11-13_17.00.csv.gz", {}),
    ("pump_events_ticks/DLT_2018-08-23_16.00.csv.gz", {}),
    ("pump_events_ticks/ICN_2018-09-11_15.30.csv.gz", {}),
    ("pump_events_ticks/OAX_2018-08-17_16.00.csv.gz", {}),
    ("pump_events_ticks/SNG_historical_data_1m.csv.gz", {}),
    ("pump_hourly_labeled/ORBS_USDT_labeled.csv.gz", {}),
    ("pump_hourly_labeled/COTI_USDT_labeled.csv.gz", {}),
    ("pump_hourly_labeled/ROSE_USDT_labeled.csv.gz", {}),
    ("spy_trade_ticks/20131007_trade.zip", {}),
    ("spy_trade_ticks/20131008_trade.zip", {}),
    ("spy_trade_ticks/20131009_trade.zip", {}),
    ("stock_quote_ticks/ibm_20131007_quote.zip", {}),
    ("stock_quote_ticks/ibm_20131007_trade.zip", {}),
    ("stock_quote_ticks/ibm_20131008_quote.zip", {}),
    ("stock_quote_ticks/ibm_20131008_trade.zip", {}),
    ("stocks_daily/lean_aapl_daily.zip", {}),
    ("stocks_daily/lean_spy_daily.zip", {}),
    ("stocks_daily/lean_ibm_daily.zip", {}),
)

# INDEX.md's words -> finding
COUNTED = {
    r"backward steps (\d+)": "DISORDER",
    r"same-stamp rows (\d+)": "SAME_TIME",
    r"full-row repeats (\d+)": "REPEATS_KEPT",
    r"gaps (\d+)": "HOLES",
    r"bad OHLC (\d+)": "BAD_OHLC",
}


def index_line(shared_data: Path, path: str) -> str:
    """What INDEX.md says of a file."""
    name = path.split("/")[1]
    lines = (shared_data / "INDEX.md").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"- `{name}`"))


@pytest.mark.parametrize(("path", "options"), TABULAR, ids=[path for path, _ in TABULAR])
def test_counts_are_those_of_the_index(shared_data: Path, path: str, options: dict[str, object]) -> None:
    """Rows, backward steps, equal times, repeats, gaps and bad bars are as many as the index says."""
    said = index_line(shared_data, path)
    report = feed_of(shared_data / path, **options).report
    rows = re.search(r"([\d,]+) rows", said)
    assert rows is not None
    assert report.rows_read == report.rows_kept == int(rows[1].replace(",", ""))
    assert report.rows_made == report.rows_read * (2 if report.format == "lean_fx_quotes" else 1)
    for pattern, code in COUNTED.items():
        found = re.search(pattern, said)
        if found and not (code == "DISORDER" and report.format == "bitstamp_orders"):
            assert report.count(code) == int(found[1]), code


@pytest.mark.parametrize(("path", "options"), TABULAR[:1] + TABULAR[13:16], ids=lambda value: str(value)[:40])
def test_largest_hole_is_that_of_the_index(shared_data: Path, path: str, options: dict[str, object]) -> None:
    """The report says how large the largest hole is: a year of GBPUSD is missing, one hour of Binance."""
    largest = re.search(r"largest ([\d.]+) bars", index_line(shared_data, path))
    finding = feed_of(shared_data / path, **options).report.find("HOLES")
    assert largest is not None
    assert finding is not None
    assert f"the largest distance is {float(largest[1]):g} intervals" in finding.message


# path, lines, of these: skipped messages, trades, prints off the book
RAW = (
    ("usdm_btcusdt_20230405.dat.gz", 60_381, 415, 10_738, 1),
    ("usdm_btcusdt_20240719.gz", 60_570, 0, 9_727, 0),
    ("usdm_btcusdt_20240808.gz", 93_954, 0, 21_313, 0),
    ("spot_btcusdt_20240808.gz", 41_249, 0, 9_757, 0),
    ("spot_btcusdt_20240809.gz", 58_325, 0, 10_147, 0),
    ("cm_btcusd_perp_20240808.gz", 48_270, 0, 2_286, 0),
)


@pytest.mark.parametrize(("name", "lines", "skipped", "trades", "off_book"), RAW, ids=[row[0] for row in RAW])
def test_raw_binance_lines(shared_data: Path, name: str, lines: int, skipped: int, trades: int, off_book: int) -> None:
    """All lines are read, none is lost; receipt is in order, ids and updates are without a gap."""
    feed = feed_of(shared_data / "binance_raw_ws" / name)
    rows = all_rows(feed)
    report = feed.report
    assert (report.rows_read, report.rows_kept) == (lines, lines - skipped)
    assert int((rows["kind"] == MarketKind.TRADE).sum()) == trades
    assert report.count("OFF_BOOK") == int((rows["flags"] & MarketFlag.OFF_BOOK > 0).sum()) == off_book
    assert [report.count(code) for code in ("DISORDER", "UPDATE_GAPS", "ID_GAPS", "UNPARSABLE")] == [0, 0, 0, 0]
    assert (np.diff(rows["ts_received_ns"]) >= 0).all()
    behind = rows["ts_received_ns"] - rows["ts_event_ns"]
    if "2024" in name:  # the local clock runs 1.2 to 1.5 s behind wherever both clocks are known
        assert -1.53e9 < float(np.median(behind[behind != 0])) < -1.15e9
        assert report.count("NEGATIVE_LATENCY") > 0
    clears = rows["flags"] & MarketFlag.CLEAR > 0
    assert int(clears.sum()) == (1 if "20240808" in name else 0)


@pytest.mark.parametrize("name", ["usdm_btcusdt_20230405.dat.gz", "cm_btcusd_perp_20240808.gz"])
def test_flat_trades_are_those_of_the_raw_lines(shared_data: Path, name: str) -> None:
    """The flat file and the raw lines say the same of each trade: ids, prices, sides, flags, all clocks in ns."""
    flat = feed_of(shared_data / "binance_trades_flat/trades.parquet")
    rows = all_rows(flat)
    assert len(rows) == 63_968
    assert [flat.report.count(code) for code in ("MIXED_CLOCKS", "OFF_BOOK", "DISORDER")] == [10_738, 1, 2]
    fields = ["id", "ts_event_ns", "ts_received_ns", "price", "quantity", "side", "flags"]
    raw = all_rows(feed_of(shared_data / "binance_raw_ws" / name, kinds=["trade"]))
    within = np.isin(rows["ts_received_ns"], raw["ts_received_ns"]) & np.isin(rows["id"], raw["id"])
    assert len(raw) > 2_000
    assert rows[within][fields].tolist() == raw[fields].tolist()


CAPTURES = (
    ("BINANCE_DELIVERY_ws.1.0.gz", 33),
    ("COINBASE_ws.28.0.gz", 120),
    ("KRAKEN_ws.50.0.gz", 42),
    ("BYBIT_ws.26.0.gz", 4),
)


@pytest.mark.parametrize(("name", "skipped"), CAPTURES)
def test_captures_of_four_exchanges(shared_data: Path, name: str, skipped: int) -> None:
    """Every message is either rows or a counted kind that makes none; receipt is in order."""
    feed = feed_of(shared_data / "exchange_ws_captures" / name)
    report = feed.report
    assert report.count("SKIPPED_MESSAGES") == skipped == report.rows_read - report.rows_kept
    assert report.count("DISORDER") == 0
    assert (np.diff(all_rows(feed)["ts_received_ns"]) >= 0).all()


@pytest.mark.parametrize("name", ["BITMEX_ws.1.0.gz", "KUCOIN_ws.1.0.gz", "DERIBIT_ws.1.0.gz", "GATEIO_ws.1.0.gz"])
def test_captures_of_other_exchanges_are_refused(shared_data: Path, name: str) -> None:
    """A capture whose messages are not read is refused with its address."""
    with pytest.raises(UnknownFormat, match=r"is a capture of wss://.*whose messages are not read"):
        feed_of(shared_data / "exchange_ws_captures" / name).survey()


def test_repeats_are_kept_without_an_id(shared_data: Path) -> None:
    """61 % of the ES rows repeat one; all 500,000 are there, in the order of the file."""
    feed = feed_of(shared_data / "es_futures_ticks/tick_data.csv.gz")
    rows = all_rows(feed)
    assert len(rows) == 500_000
    assert feed.report.count("REPEATS_KEPT") == 305_809
    assert rows[["price", "quantity"]][:3].tolist() == [(1640.25, 8.0), (1640.25, 1.0), (1640.25, 2.0)]
    assert int(rows["ts_event_ns"][0]) == ns("2013-09-01T22:00:00.083Z")  # Sunday 17:00 in Chicago


def test_spy_over_three_days_in_new_york_time(shared_data: Path) -> None:
    """1.1 million SPY trades; the day of the name, milliseconds of New York, prices without their factor."""
    feeds = [feed_of(shared_data / f"spy_trade_ticks/2013100{day}_trade.zip") for day in (7, 8, 9)]
    merged = MergedFeed(feeds)
    assert merged.survey().rows == 1_141_823
    rows = all_rows(feeds[0])
    assert int(rows["ts_event_ns"][0]) == ns("2013-10-07T08:00:00.464Z")
    assert float(rows["price"][0]) == 167.41
    assert [form.price_step for form in merged.survey().instruments] == [0.01]


def test_descending_bars_are_turned(shared_data: Path) -> None:
    """The Coinbase hours come out oldest first; a stretch of eleven that the file itself mixes up is reported."""
    feed = feed_of(shared_data / "crypto_ohlcv/Coinbase_BTCUSD_1h.csv.gz")
    rows = all_rows(feed)
    assert len(rows) == 20_111
    assert [feed.report.count(code) for code in ("DESCENDING", "DISORDER", "HOLES")] == [20_111, 5, 1]
    assert int(rows["ts_event_ns"][0]) == ns("2017-07-01T11:00:00Z")
    assert int(rows["ts_event_ns"][-1]) == ns("2019-10-17T09:00:00Z")


def test_level_3_goes_by_the_time_of_receipt(shared_data: Path) -> None:
    """Bitstamp's own time steps backward 16,278 times, receipt never; the one full repeat is kept."""
    feed = feed_of(shared_data / "l2_l3_books/bitstamp_l3_orders_20150501.csv.xz")
    told = feed.survey()
    assert (told.designated, told.book) == ("received", "orders")
    counts = [feed.report.count(code) for code in ("EVENT_DISORDER", "DISORDER", "REPEATS_KEPT")]
    assert counts == [16_278, 0, 1]
    rows = all_rows(feed)
    assert int((rows["kind"] == MarketKind.BOOK_DELETE).sum()) == 24_918
    assert float(rows["quantity"][rows["kind"] == MarketKind.BOOK_DELETE].max()) == 0.0


def test_book_archive_of_bybit(shared_data: Path) -> None:
    """One snapshot of 500 levels a side, then 49 changes without a gap."""
    feed = feed_of(shared_data / "l2_l3_books/bybit_xrpusdt-ob500.data.zip")
    rows = all_rows(feed)
    assert feed.report.rows_read == 50
    assert int((rows["flags"] & MarketFlag.SNAPSHOT > 0).sum()) == 1_000
    assert feed.report.count("UPDATE_GAPS") == 0


def test_one_sided_quotes_make_one_row(shared_data: Path) -> None:
    """Every IBM quote has one side; nothing has a price of zero."""
    feed = feed_of(shared_data / "stock_quote_ticks/ibm_20131007_quote.zip")
    rows = all_rows(feed)
    assert feed.report.count("ONE_SIDED") == len(rows) == 109_067
    assert float(rows["price"].min()) > 100
    assert feed.report.find("SUSPICIOUS") is not None


def test_zero_volume_bars_are_kept(shared_data: Path) -> None:
    """12,971 of 30,240 minutes of BTCUSDC had no trade; they are bars all the same."""
    feed = feed_of(shared_data / "crypto_ohlcv/binanceus_BTCUSDC_1m_20230301_20230321.csv.gz")
    assert feed.report.count("ZERO_VOLUME") == 12_971
    assert int((all_rows(feed)["volume"] == 0).sum()) == 12_971


def test_bars_hold_nothing_of_what_looks_ahead(shared_data: Path, tmp_path: Path) -> None:
    """The labelled file makes the same bars when its label and its future return are taken out."""
    path = shared_data / "pump_hourly_labeled/ORBS_USDT_labeled.csv.gz"
    frame = pl.read_csv(gzip.decompress(path.read_bytes())).drop("future_return_6h", "is_pump")
    frame.write_csv(tmp_path / "ORBS_USDT_unlabeled.csv")
    assert all_rows(feed_of(tmp_path / "ORBS_USDT_unlabeled.csv")).tobytes() == all_rows(feed_of(path)).tobytes()


def closes_by_hour(feed: FileFeed) -> dict[int, float]:
    """Last price of each hour since 1970; of quotes the middle."""
    rows = all_rows(feed)
    hours = rows["ts_event_ns"] // 3_600_000_000_000
    if rows.dtype.names is not None and "close" in rows.dtype.names:
        return dict(zip(hours.tolist(), rows["close"].tolist(), strict=True))
    return dict(zip(hours[::2].tolist(), ((rows["price"][0::2] + rows["price"][1::2]) / 2).tolist(), strict=True))


@pytest.mark.parametrize(
    "path", ["fx_m1/DAT_ASCII_EURUSD_M1_201703.csv.gz", "fx_quote_ticks/fxcm_eurusd_20140506_quote.zip"]
)
def test_default_zone_meets_another_source(shared_data: Path, path: str) -> None:
    """With a format's default zone the hours of EURUSD have another source's prices, an hour off they have not."""
    known = closes_by_hour(feed_of(shared_data / "fx_h1/lean_oanda_eurusd_hour.zip"))
    mine = closes_by_hour(feed_of(shared_data / path))

    def distance(shift: int) -> float:
        return float(np.median([abs(mine[at] - known[at + shift]) for at in mine if at + shift in known]))

    assert distance(0) < 0.00005
    assert min(distance(-1), distance(1)) > 0.0002


@pytest.mark.parametrize(
    "path",
    ["headlines/Sentences_AllAgree.txt.gz", "pump_events_ticks/groups.csv", "pump_events_ticks/pump_telegram_open.csv"],
)
def test_files_that_are_no_market_are_refused(shared_data: Path, path: str) -> None:
    """What is no market data is refused with the formats there are and the first lines."""
    with pytest.raises(UnknownFormat, match=r"Its first lines are: .*Formats: "):
        feed_of(shared_data / path)


def test_latin_text_is_refused_with_its_line(shared_data: Path) -> None:
    """Text that is not UTF-8 is refused at the line, not read as something else."""
    with pytest.raises(Unreadable, match=r"is not UTF-8 text: line \d+ has byte 0x"):
        feed_of(shared_data / "headlines/Sentences_AllAgree.txt.gz", format="pump_trades").survey()


def test_scattered_bars_need_an_interval(shared_data: Path) -> None:
    """Bars picked from here and there have no usual distance: the interval has to be given."""
    path = shared_data / "pump_events_ticks/natural_spikes_drawdowns.csv"
    with pytest.raises(BadMapping, match="Give the option interval"):
        feed_of(path).survey()
    report: Report = feed_of(path, interval="1m").report
    assert report.rows_kept == 324
    assert report.count("DISORDER") > 0


def test_five_pumps_as_one_recording(shared_data: Path) -> None:
    """Five files of nineteen days each, merged in time: all rows, in order, five instruments."""
    names = ("AST_2018-09-07_15.30", "BRD_2018-11-13_17.00", "DLT_2018-08-23_16.00", "ICN_2018-09-11_15.30")
    feeds = [feed_of(shared_data / f"pump_events_ticks/{name}.csv.gz") for name in (*names, "OAX_2018-08-17_16.00")]
    merged = MergedFeed(feeds)
    told = merged.survey()
    assert told.rows == 47_665 + 46_212 + 25_967 + 26_004 + 18_654
    assert [form.symbol for form in told.instruments] == ["AST/BTC", "BRD/BTC", "DLT/BTC", "ICN/BTC", "OAX/BTC"]
    last = 0
    for rows in merged.chunks(lambda form: told.instruments.index(form) + 1):
        assert int(rows["ts_event_ns"][0]) >= last
        assert (np.diff(rows["ts_event_ns"]) >= 0).all()
        last = int(rows["ts_event_ns"][-1])
