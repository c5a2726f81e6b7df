"""Lean equity trade ticks: `ms of day,price x10000,size,exchange,conditions,suspicious`.

Times are of New York; the day is in the name only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from engine.feeds.format import Format, Sample
from engine.feeds.formats.lean_names import day_of, market_of, symbol_of, times_of_day
from engine.feeds.intake import Batch, Intake
from engine.feeds.pack import trade_rows
from engine.feeds.repeats import Repeats
from engine.feeds.report import FindingCode
from engine.feeds.tables import Column, Kind, Layout, TableReader
from events.rows import MarketKind

ZONE = "America/New_York"
SCALE = 10_000.0
LAYOUT = Layout(
    columns=(
        Column("ms", Kind.INT),
        Column("price", Kind.INT),
        Column("size", Kind.INT),
        Column("exchange", Kind.TEXT, nullable=True),
        Column("conditions", Kind.TEXT, nullable=True),
        Column("suspicious", Kind.INT),
    ),
    header=False,
)
FIRST = re.compile(r"\d{1,8},\d+,\d+,[A-Za-z]*,[0-9A-Fa-f]*,[01]")


def fits(sample: Sample) -> bool:
    """The form of its first line."""
    return FIRST.fullmatch(sample.line(0)) is not None


def read(intake: Intake) -> Iterator[Batch]:
    """Trades. What the source calls suspicious is kept and counted; exchange and conditions are not kept."""
    day = day_of(intake)
    number = intake.instrument(symbol_of(intake), market_of(intake), "equity", "USD")
    repeats = Repeats(intake)
    for table in TableReader(LAYOUT, intake).tables():
        frame = table.frame
        times = intake.utc(times_of_day(frame["ms"].to_numpy(), day), ZONE, table.lines)
        repeats.see(table, times)
        rows = trade_rows(times, frame["price"].to_numpy() / SCALE, frame["size"].cast(pl.Float64).to_numpy())
        rows["instrument"] = number
        intake.notes.add(FindingCode.SUSPICIOUS, table.lines[frame["suspicious"].to_numpy() != 0])
        yield Batch(rows, table.lines)


FORMAT = Format(
    name="lean_trades",
    about="Lean equity trade ticks",
    kinds=(MarketKind.TRADE,),
    fits=fits,
    read=read,
    options=frozenset({"zone", "date"}),
)
