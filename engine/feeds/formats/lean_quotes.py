"""Lean equity quote ticks: `ms,bid,bid size,ask,ask size,exchange,condition,suspicious`; prices x10000, New York.

Most lines have one side only, the other is 0: they make one row. A line with both makes two, bid first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import polars as pl

from engine.feeds.format import Format, Sample
from engine.feeds.formats.lean_names import day_of, market_of, symbol_of, times_of_day
from engine.feeds.formats.lean_trades import SCALE, ZONE
from engine.feeds.intake import Batch, Intake
from engine.feeds.pack import quote_rows
from engine.feeds.repeats import Repeats
from engine.feeds.report import FindingCode
from engine.feeds.tables import Column, Kind, Layout, Table, TableReader
from events.rows import MarketKind

NUMBERS = ("bid", "bid_size", "ask", "ask_size")
LAYOUT = Layout(
    columns=(
        Column("ms", Kind.INT),
        *(Column(name, Kind.INT) for name in NUMBERS),
        Column("exchange", Kind.TEXT, nullable=True),
        Column("condition", Kind.TEXT, nullable=True),
        Column("suspicious", Kind.INT),
    ),
    header=False,
)
FIRST = re.compile(r"\d{1,8},\d+,\d+,\d+,\d+,[A-Za-z]*,[0-9A-Fa-f]*,[01]")


def fits(sample: Sample) -> bool:
    """The form of its first line."""
    return FIRST.fullmatch(sample.line(0)) is not None


def read(intake: Intake) -> Iterator[Batch]:
    """One or two rows a line."""
    day = day_of(intake)
    number = intake.instrument(symbol_of(intake), market_of(intake), "equity", "USD")
    repeats = Repeats(intake)
    for table in TableReader(LAYOUT, intake).tables():
        times = intake.utc(times_of_day(table.frame["ms"].to_numpy(), day), ZONE, table.lines)
        repeats.see(table, times)
        yield _rows(table, times, number, intake)


def _rows(table: Table, times: np.ndarray, number: int, intake: Intake) -> Batch:
    frame = table.frame
    bid, bid_size, ask, ask_size = (frame[name].cast(pl.Float64).to_numpy() for name in NUMBERS)
    rows = quote_rows(times, bid / SCALE, ask / SCALE, (bid_size, ask_size))
    rows["instrument"] = number
    absent = np.column_stack([bid == 0, ask == 0])
    intake.notes.add(FindingCode.ONE_SIDED, table.lines[absent.any(axis=1)])
    intake.notes.add(FindingCode.CROSSED, table.lines[(bid > ask) & ~absent.any(axis=1)])
    intake.notes.add(FindingCode.SUSPICIOUS, table.lines[frame["suspicious"].to_numpy() != 0])
    present = ~absent.reshape(-1)
    return Batch(rows[present], np.repeat(table.lines, 2)[present])


FORMAT = Format(
    name="lean_quotes",
    about="Lean equity quote ticks",
    kinds=(MarketKind.BID, MarketKind.ASK),
    fits=fits,
    read=read,
    options=frozenset({"zone", "date"}),
)
