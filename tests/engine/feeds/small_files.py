"""One small file of each format, written by the tests: what it says and which rows it makes.

Market rows are expected as (event ns, received ns, price, quantity, id, instrument, kind, side, flags), bars as
(opening ns, closing ns, open, high, low, close, volume, interval ns, instrument, trades).
"""

from __future__ import annotations

import gzip
import lzma
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from engine.feeds.feed import in_order
from engine.feeds.file_feed import FileFeed
from engine.feeds.mapping import mapping_of
from events.clock import from_iso
from events.rows import Rows

T, B, A, SET, DEL = 1, 2, 3, 4, 5  # MarketKind
BUY, SELL = 1, -1
NOQ, SNAP, FIRST, OFF = 1, 32, 96, 128  # MarketFlag
MS, S = 1_000_000, 1_000_000_000
H, D = 3600 * S, 86_400 * S


class SmallFile(msgspec.Struct, frozen=True):
    """One file; `text` is its content, or `frame` its records. `member` puts the text into a zip."""

    format: str
    name: str
    text: str = ""
    frame: dict[str, Any] | None = None
    member: str = ""
    options: dict[str, object] = {}
    rows: tuple[tuple[Any, ...], ...] = ()
    symbols: tuple[str, ...] = ()
    findings: dict[str, int] = {}
    lines: int = 0  # data lines


def ns(text: str) -> int:
    """ns of an ISO text."""
    return from_iso(text)


def write(folder: Path, small: SmallFile) -> Path:
    """The file on disk, in the container that its name says."""
    path = folder / small.name
    data = small.text.encode()
    if small.frame is not None:
        frame = pl.DataFrame(small.frame)
        frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_ipc(path, compression="uncompressed")
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(small.member, data)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(data, mtime=0))
    elif path.suffix == ".xz":
        path.write_bytes(lzma.compress(data))
    else:
        path.write_bytes(data)
    return path


def feed_of(path: Path, **options: object) -> FileFeed:
    """The feed of a file."""
    return FileFeed(path, mapping_of(options))


def all_rows(feed: FileFeed) -> Rows:
    """Every row, instruments numbered from 1."""
    return np.concatenate(list(feed.chunks(in_order())))


PUMP = SmallFile(
    "pump_trades",
    "AST_2018-09-07_15.30.csv.gz",
    "symbol,timestamp,datetime,side,price,amount,btc_volume\n"
    "AST/BTC,1535297434173,2018-08-26T15:30:34.173Z,buy,1.435e-05,4.0,5.74e-05\n"
    "AST/BTC,1535297434173,2018-08-26T15:30:34.173Z,buy,1.435e-05,4.0,5.74e-05\n"
    "AST/BTC,1535297632966,2018-08-26T15:33:52.966Z,sell,1.434e-05,353.0,0.0050620199999999995\n",
    rows=(
        (1535297434173 * MS, 1535297434173 * MS, 1.435e-05, 4.0, 0, 1, T, BUY, 0),
        (1535297434173 * MS, 1535297434173 * MS, 1.435e-05, 4.0, 0, 1, T, BUY, 0),
        (1535297632966 * MS, 1535297632966 * MS, 1.434e-05, 353.0, 0, 1, T, SELL, 0),
    ),
    symbols=("AST/BTC@BINANCE",),
    findings={"REPEATS_KEPT": 1, "SAME_TIME": 1},
    lines=3,
)

ES = SmallFile(
    "es_ticks",
    "ticks.csv",
    "DateTime,Price,Volume\n2013-09-01 17:00:00.083,1640.25,8\n2013-09-01 17:00:01,1640.5,1\n",
    rows=(
        (ns("2013-09-01T22:00:00.083Z"),) * 2 + (1640.25, 8.0, 0, 1, T, 0, 0),
        (ns("2013-09-01T22:00:01Z"),) * 2 + (1640.5, 1.0, 0, 1, T, 0, 0),
    ),
    symbols=("ES@CME",),
    findings={"ZONE_ASSUMED": 1},
    lines=2,
)

LEAN_TRADES = SmallFile(
    "lean_trades",
    "20131007_trade.zip",
    "14400464,1674100,100,P,20002000,0\n34200000,1674101,1400,,,1",
    member="20131007_spy_Trade_Tick.csv",
    rows=(
        (ns("2013-10-07T08:00:00.464Z"),) * 2 + (167.41, 100.0, 0, 1, T, 0, 0),
        (ns("2013-10-07T13:30:00Z"),) * 2 + (167.4101, 1400.0, 0, 1, T, 0, 0),
    ),
    symbols=("SPY@US",),
    findings={"SUSPICIOUS": 1, "ZONE_ASSUMED": 1},
    lines=2,
)

LEAN_QUOTES = SmallFile(
    "lean_quotes",
    "ibm_20131108_quote.zip",
    "14400054,0,0,1836300,100,Q,1,0\n14400241,1800100,300,0,0,P,1,0\n14400300,1800100,300,1836300,200,P,1,1\n",
    member="20131108_ibm_Quote_Tick.csv",
    rows=(
        (ns("2013-11-08T09:00:00.054Z"),) * 2 + (183.63, 100.0, 0, 1, A, SELL, 0),
        (ns("2013-11-08T09:00:00.241Z"),) * 2 + (180.01, 300.0, 0, 1, B, BUY, 0),
        (ns("2013-11-08T09:00:00.300Z"),) * 2 + (180.01, 300.0, 0, 1, B, BUY, 0),
        (ns("2013-11-08T09:00:00.300Z"),) * 2 + (183.63, 200.0, 0, 1, A, SELL, 0),
    ),
    symbols=("IBM@US",),
    findings={"ONE_SIDED": 2, "SUSPICIOUS": 1, "ZONE_ASSUMED": 1},
    lines=3,
)

LEAN_FX_QUOTES = SmallFile(
    "lean_fx_quotes",
    "fxcm_eurusd_20140506_quote.zip",
    "339,1.38833,1.38835\r\n634,1.38836,1.38835\r\n",
    member="20140506_eurusd_tick_quote.csv",
    rows=(
        (ns("2014-05-06T05:00:00.339Z"),) * 2 + (1.38833, 0.0, 0, 1, B, BUY, NOQ),
        (ns("2014-05-06T05:00:00.339Z"),) * 2 + (1.38835, 0.0, 0, 1, A, SELL, NOQ),
        (ns("2014-05-06T05:00:00.634Z"),) * 2 + (1.38836, 0.0, 0, 1, B, BUY, NOQ),
        (ns("2014-05-06T05:00:00.634Z"),) * 2 + (1.38835, 0.0, 0, 1, A, SELL, NOQ),
    ),
    symbols=("EURUSD@FXCM",),
    findings={"CROSSED": 1, "ZONE_ASSUMED": 1},
    lines=2,
)

LEAN_BARS = SmallFile(
    "lean_bars",
    "lean_aapl_daily.zip",
    "19980102 00:00,136300,162500,135000,162500,6315000\n19980103 00:00,165000,165600,151900,160000,0\n"
    "19980106 00:00,159400,205000,147500,190000,16064600",
    member="aapl.csv",
    options={"interval": "1d"},
    rows=(
        (ns("1998-01-02T05:00:00Z"), ns("1998-01-03T05:00:00Z"), 13.63, 16.25, 13.5, 16.25, 6315000.0, D, 1, 0),
        (ns("1998-01-03T05:00:00Z"), ns("1998-01-04T05:00:00Z"), 16.5, 16.56, 15.19, 16.0, 0.0, D, 1, 0),
        (ns("1998-01-06T05:00:00Z"), ns("1998-01-07T05:00:00Z"), 15.94, 20.5, 14.75, 19.0, 16064600.0, D, 1, 0),
    ),
    symbols=("AAPL@US",),
    findings={"HOLES": 1, "ZERO_VOLUME": 1, "ZONE_ASSUMED": 1},
    lines=3,
)

LEAN_FX_BARS = SmallFile(
    "lean_fx_bars",
    "lean_oanda_eurusd_hour.zip",
    "20070101 21:00,1.31,1.33,1.30,1.32,0,1.33,1.35,1.32,1.34,0\n"
    "20070101 22:00,1.31,1.33,1.30,1.32,0,1.33,1.35,1.32,1.34,0\n",
    member="eurusd.csv",
    options={"price_side": "ask"},
    rows=(
        (ns("2007-01-01T21:00:00Z"), ns("2007-01-01T22:00:00Z"), 1.33, 1.35, 1.32, 1.34, 0.0, H, 1, 0),
        (ns("2007-01-01T22:00:00Z"), ns("2007-01-01T23:00:00Z"), 1.33, 1.35, 1.32, 1.34, 0.0, H, 1, 0),
    ),
    symbols=("EURUSD@OANDA",),
    findings={"ZONE_ASSUMED": 1},
    lines=2,
)

MT5 = SmallFile(
    "mt5_bars",
    "mt5_EURUSD_H1.csv",
    "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\r\n"
    "2015.01.02\t00:00:00\t1.20565\t1.20687\t1.19991\t1.20001\t93697\t0\t50\r\n"
    "2015.01.02\t01:00:00\t1.20538\t1.20576\t1.20344\t1.20553\t3783\t7000\t10\r\n",
    rows=(
        (ns("2015-01-01T22:00Z"), ns("2015-01-01T23:00Z"), 1.20565, 1.20687, 1.19991, 1.20001, 0.0, H, 1, 93697),
        (ns("2015-01-01T23:00Z"), ns("2015-01-02T00:00Z"), 1.20538, 1.20576, 1.20344, 1.20553, 7000.0, H, 1, 3783),
    ),
    symbols=("EURUSD@MT5",),
    findings={"ZERO_VOLUME": 1, "ZONE_ASSUMED": 1},
    lines=2,
)

ASCII = SmallFile(
    "ascii_bars",
    "DAT_ASCII_EURUSD_M1_201703.csv",
    "20170301 000000;1.055220;1.055290;1.055210;1.055290;0\n20170301 000100;1.0553;1.0554;1.0553;1.0554;0\n",
    rows=(
        (ns("2017-03-01T05:00Z"), ns("2017-03-01T05:01Z"), 1.05522, 1.05529, 1.05521, 1.05529, 0.0, 60 * S, 1, 0),
        (ns("2017-03-01T05:01Z"), ns("2017-03-01T05:02Z"), 1.0553, 1.0554, 1.0553, 1.0554, 0.0, 60 * S, 1, 0),
    ),
    symbols=("EURUSD@HISTDATA",),
    findings={"ZONE_ASSUMED": 1},
    lines=2,
)

COINBASE_BARS = SmallFile(
    "coinbase_bars",
    "Coinbase_BTCUSD_1h.csv",
    "Timestamps are UTC timezone,https://www.example.com\r\n"
    "date,symbol,open,high,low,close,volume_btc,volume\r\n"
    "2019-10-17 01-PM,BTCUSD,8051,8056.83,8021.23,8035.88,61.25,492394.56\r\n"
    "2019-10-17 12-PM,BTCUSD,7975.89,8070,7975.89,8051,0,0\r\n"
    "2019-10-17 11-AM,BTCUSD,7975.89,8070,7975.89,8051,370.45,2971610.86\r\n",
    rows=(
        (ns("2019-10-17T11:00Z"), ns("2019-10-17T12:00Z"), 7975.89, 8070.0, 7975.89, 8051.0, 370.45, H, 1, 0),
        (ns("2019-10-17T12:00Z"), ns("2019-10-17T13:00Z"), 7975.89, 8070.0, 7975.89, 8051.0, 0.0, H, 1, 0),
        (ns("2019-10-17T13:00Z"), ns("2019-10-17T14:00Z"), 8051.0, 8056.83, 8021.23, 8035.88, 61.25, H, 1, 0),
    ),
    symbols=("BTCUSD@COINBASE",),
    findings={"DESCENDING": 3, "ZERO_VOLUME": 1, "SKIPPED_LINES": 1},
    lines=3,
)

WIDE = SmallFile(
    "wide_closes",
    "closes.csv",
    "Date,EEM,SPY\n2008-01-02,49.25,144.0\n2008-01-03,49.5,145.0\n",
    rows=(
        (ns("2008-01-02T05:00Z"), ns("2008-01-03T05:00Z"), 49.25, 49.25, 49.25, 49.25, 0.0, D, 1, 0),
        (ns("2008-01-02T05:00Z"), ns("2008-01-03T05:00Z"), 144.0, 144.0, 144.0, 144.0, 0.0, D, 2, 0),
        (ns("2008-01-03T05:00Z"), ns("2008-01-04T05:00Z"), 49.5, 49.5, 49.5, 49.5, 0.0, D, 1, 0),
        (ns("2008-01-03T05:00Z"), ns("2008-01-04T05:00Z"), 145.0, 145.0, 145.0, 145.0, 0.0, D, 2, 0),
    ),
    symbols=("EEM@US", "SPY@US"),
    findings={"ZONE_ASSUMED": 1},
    lines=2,
)

OHLCV = SmallFile(
    "ohlcv",
    "binance_BTCUSDT_1h.csv.gz",
    "open_time,open,high,low,close,volume,is_pump,future_return_6h\n"
    "2022-01-01 00:00:00+00:00,46216.93,46731.39,46208.37,46656.13,1503.33095,0,\n"
    "2022-01-01 01:00:00+00:00,46656.14,46949.99,46574.06,46778.14,0.0,1,0.5\n",
    rows=(
        (ns("2022-01-01T00:00Z"), ns("2022-01-01T01:00Z"), 46216.93, 46731.39, 46208.37, 46656.13, 1503.33095, H, 1, 0),
        (ns("2022-01-01T01:00Z"), ns("2022-01-01T02:00Z"), 46656.14, 46949.99, 46574.06, 46778.14, 0.0, H, 1, 0),
    ),
    symbols=("BTCUSDT@BINANCE",),
    findings={"ZERO_VOLUME": 1},
    lines=2,
)

OHLCV_BID = SmallFile(
    "ohlcv",
    "gbpusd-m1-bid-2012.csv",
    "timestamp,open,high,low,close\n"
    "2012-02-01 00:00:00+00:00,1.5,1.6,1.5,1.6\n2012-02-01 00:01:00+00:00,1.6,1.6,1.5,1.5\n",
    rows=(
        (ns("2012-02-01T00:00Z"), ns("2012-02-01T00:01Z"), 1.5, 1.6, 1.5, 1.6, 0.0, 60 * S, 1, 0),
        (ns("2012-02-01T00:01Z"), ns("2012-02-01T00:02Z"), 1.6, 1.6, 1.5, 1.5, 0.0, 60 * S, 1, 0),
    ),
    symbols=("GBPUSD.BID@UNKNOWN",),
    lines=2,
)

OHLCV_FTX = SmallFile(
    "ohlcv",
    "ftx_BTC-PERP_1m.csv",
    "timestamp,open,high,low,close,volume\n1640991660,4.0,4.0,2.0,2.0,9.0\n1640991720,2.0,5.0,2.0,4.0,6.0\n",
    rows=(
        (1640991660 * S, 1640991720 * S, 4.0, 4.0, 2.0, 2.0, 4.5, 60 * S, 1, 0),
        (1640991720 * S, 1640991780 * S, 2.0, 5.0, 2.0, 4.0, 1.5, 60 * S, 1, 0),
    ),
    symbols=("BTC-PERP@FTX",),
    findings={"QUANTITY_UNIT": 1},
    lines=2,
)

OHLCV_FEATHER = SmallFile(
    "ohlcv",
    "freqtrade_ETH_BTC-5m.feather",
    frame={
        "date": pl.Series([1515560100000, 1515560400000]).cast(pl.Datetime("ms", "UTC")),
        "open": [0.0984, 0.09947],
        "high": [0.0995, 0.0998],
        "low": [0.098, 0.099],
        "close": [0.0994, 0.0996],
        "volume": [1820.5, 2527.9],
    },
    rows=(
        (1515560100 * S, 1515560400 * S, 0.0984, 0.0995, 0.098, 0.0994, 1820.5, 300 * S, 1, 0),
        (1515560400 * S, 1515560700 * S, 0.09947, 0.0998, 0.099, 0.0996, 2527.9, 300 * S, 1, 0),
    ),
    symbols=("ETH/BTC@UNKNOWN",),
    lines=2,
)

COINBASE_TRADES = SmallFile(
    "coinbase_trades",
    "coinbase.csv.gz",
    '"symbol","side","price","amount","timestamp"\r\n'
    '"BTC-USD","sell",25741.02,0.02188038,"2023-09-05T16:00:01.281719Z"\r\n'
    '"BTC-USD","buy",25741.03,3.844E-5,"2023-09-05T16:00:02.722748Z"\r\n',
    rows=(
        (ns("2023-09-05T16:00:01.281719Z"),) * 2 + (25741.02, 0.02188038, 0, 1, T, SELL, 0),
        (ns("2023-09-05T16:00:02.722748Z"),) * 2 + (25741.03, 3.844e-05, 0, 1, T, BUY, 0),
    ),
    symbols=("BTC-USD@COINBASE",),
    lines=2,
)

BITSTAMP = SmallFile(
    "bitstamp_orders",
    "orders.csv.xz",
    "id,timestamp,exchange.timestamp,price,volume,action,direction\n"
    "65595247,1430438404518,1430438404000,236.47,200000000,created,bid\n"
    "65595247,1430438404635,1430438404000,236.47,178855669,changed,bid\n"
    "65595187,1430438404637,1430438340000,236.47,0,deleted,ask\n"
    "65595181,1430438404637,1430438337000,236.08,200000000,deleted,bid\n",
    rows=(
        (1430438404000 * MS, 1430438404518 * MS, 236.47, 2.0, 65595247, 1, SET, BUY, 0),
        (1430438404000 * MS, 1430438404635 * MS, 236.47, 1.78855669, 65595247, 1, SET, BUY, 0),
        (1430438340000 * MS, 1430438404637 * MS, 236.47, 0.0, 65595187, 1, DEL, SELL, 0),
        (1430438337000 * MS, 1430438404637 * MS, 236.08, 0.0, 65595181, 1, DEL, BUY, 0),
    ),
    symbols=("BTC/USD@BITSTAMP",),
    findings={"EVENT_DISORDER": 2, "SAME_TIME": 1},
    lines=4,
)

FREQTRADE = SmallFile(
    "freqtrade_trades",
    "freqtrade_XRP_ETH-trades.feather",
    frame={
        "timestamp": [1570752011620, 1570752011620, 1570752017964],
        "id": ["13519807", "13519808", "13519810"],
        "type": [None, None, None],
        "side": ["sell", "sell", "buy"],
        "price": [0.001413, 0.001413, 0.001414],
        "amount": [23.0, 54.0, 8.0],
        "cost": [0.032499, 0.076302, 0.011312],
    },
    rows=(
        (1570752011620 * MS, 1570752011620 * MS, 0.001413, 23.0, 13519807, 1, T, SELL, 0),
        (1570752011620 * MS, 1570752011620 * MS, 0.001413, 54.0, 13519808, 1, T, SELL, 0),
        (1570752017964 * MS, 1570752017964 * MS, 0.001414, 8.0, 13519810, 1, T, BUY, 0),
    ),
    symbols=("XRP/ETH@BINANCE",),
    findings={"SAME_TIME": 1, "ID_GAPS": 1},
    lines=3,
)

FREQTRADE_CSV = SmallFile(
    "freqtrade_trades",
    "public_trades_list.csv",
    ",timestamp,id,type,side,price,amount,cost,date\n"
    "0,1675329600138,1206419187,,buy,1666.8,26.062,43440.1416,2023-02-02 09:20:00.138000+00:00\n",
    options={"symbol": "ETH/USDT"},
    rows=((1675329600138 * MS, 1675329600138 * MS, 1666.8, 26.062, 1206419187, 1, T, BUY, 0),),
    symbols=("ETH/USDT@BINANCE",),
    lines=1,
)

NAUTILUS = SmallFile(
    "nautilus_trades",
    "binance_btcusdt-trades.parquet",
    frame={
        "timestamp": pl.Series([1610064000278, 1610064000310]).cast(pl.Datetime("ms", "UTC")),
        "trade_id": [553287559, 553287560],
        "price": [39432.48, 39439.44],
        "quantity": [0.000263, 0.004376],
        "buyer_maker": ["True", "False"],
    },
    rows=(
        (1610064000278 * MS, 1610064000278 * MS, 39432.48, 0.000263, 553287559, 1, T, SELL, 0),
        (1610064000310 * MS, 1610064000310 * MS, 39439.44, 0.004376, 553287560, 1, T, BUY, 0),
    ),
    symbols=("BTCUSDT@BINANCE",),
    lines=2,
)

FLAT = SmallFile(
    "binance_trades",
    "trades.parquet",
    frame={
        "venue": ["cm", "usdm", "usdm", "spot"],
        "symbol": ["BTCUSD_PERP", "BTCUSDT", "BTCUSDT", "BTCUSDT"],
        "trade_id": [849714402, 3535188229, 3535188231, 7],
        "trade_ms": [1723161257679, 1680652804962, 1680652874400, 1723161255342],
        "event_ms": [1723161257687, 1680652807006, 1680652874406, 1723161255343],
        "local_ts": [1723161256419684465, 1680652806996641, 1680652874408176, 1723161254087896568],
        "price": ["61804.8", "28155.10", "28722.50", "61837.63000000"],
        "qty": ["4", "0.001", "0.001", "0.02000000"],
        "buyer_is_maker": [False, True, True, True],
        "kind": ["MARKET", "MARKET", "INSURANCE_FUND", None],
        "src": ["a", "b", "b", "c"],
    },
    rows=(
        (1723161257679 * MS, 1723161256419684465, 61804.8, 4.0, 849714402, 1, T, BUY, 0),
        (1680652804962 * MS, 1680652806996641000, 28155.1, 0.001, 3535188229, 2, T, SELL, 0),
        (1680652874400 * MS, 1680652874408176000, 28722.5, 0.001, 3535188231, 2, T, SELL, OFF),
        (1723161255342 * MS, 1723161254087896568, 61837.63, 0.02, 7, 3, T, SELL, 0),
    ),
    symbols=("BTCUSD_PERP@BINANCE_COINM", "BTCUSDT@BINANCE_USDM", "BTCUSDT@BINANCE"),
    findings={
        "DISORDER": 1,
        "MIXED_CLOCKS": 2,
        "NEGATIVE_LATENCY": 2,
        "OFF_BOOK": 1,
        "ID_GAPS": 1,
        "QUANTITY_UNIT": 1,
    },
    lines=4,
)
