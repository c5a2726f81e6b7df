"""HistData's `DAT_ASCII` bars: `20170301 000000;open;high;low;close;0`, no header.

HistData calls its times EST without daylight saving. The known files are in New York time with it: their weeks open
on Sunday at 17:00 before and behind the clock change, and their prices meet those of another source only so. That is
the default; `zone=UTC-05` is what HistData says. The volume column is always 0 and says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from engine.feeds.format import Format, Sample
from engine.feeds.formats.bars import BarTable, bars
from engine.feeds.intake import Batch, Intake
from engine.feeds.stamps import stamps
from engine.feeds.symbols import symbol_in_name
from engine.feeds.tables import Column, Kind, Layout, TableReader

ZONE = "America/New_York"
PRICES = ("open", "high", "low", "close")
LAYOUT = Layout(
    columns=(Column("time", Kind.TEXT), *(Column(name, Kind.FLOAT) for name in (*PRICES, "volume"))),
    separator=";",
    header=False,
)
FIRST = re.compile(r"\d{8} \d{6};[^;]+;[^;]+;[^;]+;[^;]+;[^;]*")


def fits(sample: Sample) -> bool:
    """The form of its first line."""
    return FIRST.fullmatch(sample.line(0)) is not None


def read(intake: Intake) -> Iterator[Batch]:
    """Bars of the one instrument that the file name gives. The volume column is always 0 and says nothing."""
    return bars(_tables(intake), intake, ZONE)


def _tables(intake: Intake) -> Iterator[BarTable]:
    number = intake.instrument(intake.symbol(symbol_in_name(intake.source.name)), "HISTDATA", "forex")
    for table in TableReader(LAYOUT, intake).tables():
        opened, high, low, close = (table.frame[name].to_numpy() for name in PRICES)
        yield BarTable(
            stamps(table.frame["time"], intake.notes, table.lines),
            (opened, high, low, close),
            table.frame["volume"].to_numpy(),
            np.zeros(len(table.lines), np.int64),
            np.full(len(table.lines), number, np.int32),
            table.lines,
        )


FORMAT = Format(
    name="ascii_bars",
    about="HistData DAT_ASCII bars, semicolons, no volume",
    kinds=(),
    fits=fits,
    read=read,
    options=frozenset({"zone", "interval"}),
    quantity="none",
)
