"""Small files of bars, in the manner of `small_files`."""

from __future__ import annotations

import polars as pl

from tests.engine.feeds.small_files import D, H, S, SmallFile, ns

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
