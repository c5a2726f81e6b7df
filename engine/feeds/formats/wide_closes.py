"""A wide table of daily closes: `Date` and one column per symbol.

Each close is a bar of one price, without a volume.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import polars as pl

from engine.feeds.format import Format, Sample
from engine.feeds.formats.bars import BarTable, bars
from engine.feeds.intake import Batch, Intake
from engine.feeds.stamps import Stamped, stamps
from engine.feeds.tables import Column, Kind, Layout, TableReader, split

ZONE = "America/New_York"
SYMBOL = re.compile(r"[A-Z][A-Z0-9.]{0,9}")


def fits(sample: Sample) -> bool:
    """`Date`, then at least two columns named like symbols."""
    names = sample.header()
    return len(names) > 2 and names[0] == "Date" and all(SYMBOL.fullmatch(name) for name in names[1:])


def read(intake: Intake) -> Iterator[Batch]:
    """Bars, row by row and within a row column by column."""
    return bars(_tables(intake), intake, ZONE)


def _tables(intake: Intake) -> Iterator[BarTable]:
    symbols = [name.strip() for name in split(intake.source.head_lines()[0], ",")][1:]
    columns = (Column("Date", Kind.TIME), *(Column(symbol, Kind.FLOAT) for symbol in symbols))
    numbers = np.array([intake.instrument(symbol, "US", "equity", "USD") for symbol in symbols], np.int32)
    intake.quantity = "none"
    for table in TableReader(Layout(columns=columns), intake).tables():
        stamped = stamps(table.frame["Date"], intake.notes, table.lines)
        closes = table.frame.select(pl.col(symbols)).to_numpy().reshape(-1)
        yield BarTable(
            Stamped(np.repeat(stamped.times, len(symbols)), stamped.local),
            (closes, closes, closes, closes),
            np.zeros(len(closes)),
            np.zeros(len(closes), np.int64),
            np.tile(numbers, len(table.lines)),
            np.repeat(table.lines, len(symbols)),
        )


FORMAT = Format(
    name="wide_closes",
    about="Daily closes, one column per symbol",
    kinds=(),
    fits=fits,
    read=read,
    options=frozenset({"zone", "interval"}),
    quantity="none",
)
