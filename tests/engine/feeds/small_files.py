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
