"""Bars as most tools save them: a time, open, high, low, close and perhaps volume and symbol, as text or records.

The time is text or a count; a file without a volume has bars without quantities. FTX counts its volume in quote
currency (`volume=quote` divides it by the close). A file of bids or asks is an instrument of its own (`GBPUSD.BID`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from engine.feeds.format import Format, Sample
from engine.feeds.formats.bars import BarTable, Floats, bars
from engine.feeds.formats.trades import per_symbol
from engine.feeds.intake import Batch, Intake
from engine.feeds.report import FindingCode
from engine.feeds.stamps import stamps
from engine.feeds.symbols import symbol_in_name
from engine.feeds.tables import Column, Kind, Layout, Table, TableReader

TIMES = ("timestamp", "open_time", "date", "time", "datetime")
PRICES = ("open", "high", "low", "close")
VENUES = ("BINANCEUS", "BINANCE", "COINBASE", "FTX", "MEXC", "KRAKEN", "BYBIT", "OANDA", "FXCM")
FOREX = re.compile(r"(EUR|GBP|AUD|NZD|USD|CAD|CHF|JPY){2}", re.IGNORECASE)


def renamed(name: str) -> str:
    """Header names in one spelling; whichever column is the time is called `time`."""
    plain = name.strip().strip("<>").lower()
    return "time" if plain in TIMES else plain


LAYOUT = Layout(
    columns=(
        Column("time", Kind.TIME),
        *(Column(name, Kind.FLOAT) for name in PRICES),
        Column("volume", Kind.FLOAT, optional=True),
        Column("symbol", Kind.TEXT, optional=True),
    ),
    renamed=renamed,
)


def fits(sample: Sample) -> bool:
    """One time column and four prices among the columns."""
    names = [renamed(name) for name in sample.header()]
    return names.count("time") == 1 and all(names.count(name) == 1 for name in PRICES)


def venue_in_name(name: str) -> str:
    """The venue that a file name begins with, else `UNKNOWN`."""
    return next((venue for venue in VENUES if name.upper().startswith(venue)), "UNKNOWN")


def read(intake: Intake) -> Iterator[Batch]:
    """Bars; the interval is inferred from the first block or given."""
    return bars(_tables(intake), intake)


def _tables(intake: Intake) -> Iterator[BarTable]:
    name = intake.source.name
    told = symbol_in_name(name)
    side = re.search(r"[-_](bid|ask)[-_.]", name.lower())
    forex = FOREX.fullmatch(told) is not None
    for table in TableReader(LAYOUT, intake).tables():
        frame = table.frame
        if "symbol" in frame.columns:
            numbers = per_symbol(frame["symbol"], intake, venue_in_name(name))
        else:
            symbol = intake.symbol(f"{told}.{side[1].upper()}" if told and side else told)
            numbers = intake.instrument(symbol, venue_in_name(name), "forex" if forex else "crypto")
        yield BarTable(
            stamps(frame["time"], intake.notes, table.lines),
            (_floats(table, "open"), _floats(table, "high"), _floats(table, "low"), _floats(table, "close")),
            volume_of(table, intake, "quote" if name.lower().startswith("ftx") else "base"),
            np.zeros(frame.height, np.int64),
            np.broadcast_to(np.asarray(numbers, np.int32), frame.height),
            table.lines,
        )


def _floats(table: Table, name: str) -> Floats:
    return table.frame[name].to_numpy()


def volume_of(table: Table, intake: Intake, default: str) -> Floats:
    """Volume in base units; zeros (and `quantity` none) where there is no such column. Empty values are NaN."""
    if "volume" not in table.frame.columns:
        intake.quantity = "none"
        return np.zeros(table.frame.height)
    volume = table.frame["volume"].fill_null(float("nan")).to_numpy()
    if (intake.mapping.volume or default) != "quote":
        return volume
    if not intake.notes.count(FindingCode.QUANTITY_UNIT):
        intake.notes.add(FindingCode.QUANTITY_UNIT, count=1, detail="volume in quote currency, divided by the close")
    close = table.frame["close"].to_numpy()
    return np.divide(volume, close, out=np.full_like(volume, np.nan), where=close > 0)


FORMAT = Format(
    name="ohlcv",
    about="Bars with a header: time, open, high, low, close, optional volume and symbol; CSV, Parquet or feather",
    kinds=(),
    fits=fits,
    read=read,
    options=frozenset({"zone", "interval", "volume"}),
)
