"""Lean forex quote ticks: `ms of day,bid,ask`, no sizes; FXCM's day is in UTC-05, the day in the name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.feeds.format import Format, Sample
from engine.feeds.formats.lean_names import day_of, market_of, symbol_of, times_of_day
from engine.feeds.intake import Batch, Intake
from engine.feeds.pack import quote_rows
from engine.feeds.repeats import Repeats
from engine.feeds.report import FindingCode
from engine.feeds.tables import Column, Kind, Layout, TableReader
from events.rows import MarketKind

ZONES = {"FXCM": "UTC-05", "OANDA": "UTC"}
LAYOUT = Layout(
    columns=(Column("ms", Kind.INT), Column("bid", Kind.FLOAT), Column("ask", Kind.FLOAT)),
    header=False,
)
FIRST = re.compile(r"\d{1,8},\d+\.\d+,\d+\.\d+")


def fits(sample: Sample) -> bool:
    """The form of its first line."""
    return FIRST.fullmatch(sample.line(0)) is not None


def read(intake: Intake) -> Iterator[Batch]:
    """Two rows a line, bid first."""
    day = day_of(intake)
    market = market_of(intake)
    number = intake.instrument(symbol_of(intake), market, "forex")
    repeats = Repeats(intake)
    for table in TableReader(LAYOUT, intake).tables():
        times = intake.utc(times_of_day(table.frame["ms"].to_numpy(), day), ZONES.get(market, "UTC-05"), table.lines)
        repeats.see(table, times)
        bid, ask = table.frame["bid"].to_numpy(), table.frame["ask"].to_numpy()
        intake.notes.add(FindingCode.CROSSED, table.lines[bid > ask])
        rows = quote_rows(times, bid, ask, None)
        rows["instrument"] = number
        yield Batch(rows, table.lines.repeat(2))


FORMAT = Format(
    name="lean_fx_quotes",
    about="Lean forex quote ticks",
    kinds=(MarketKind.BID, MarketKind.ASK),
    fits=fits,
    read=read,
    options=frozenset({"zone", "date"}),
    quantity="none",
)
