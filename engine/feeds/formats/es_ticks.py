"""E-mini S&P trades: `DateTime,Price,Volume`, exchange (Chicago) time without a zone, no id, no side.

Most rows share their millisecond with the row before and repeat one: the order of the file is the only order.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.feeds.format import Format, Sample
from engine.feeds.intake import Batch, Intake
from engine.feeds.pack import trade_rows
from engine.feeds.repeats import Repeats
from engine.feeds.stamps import stamps
from engine.feeds.tables import Column, Kind, Layout, TableReader
from events.rows import MarketKind

ZONE = "America/Chicago"
LAYOUT = Layout(columns=(Column("DateTime", Kind.TIME), Column("Price", Kind.FLOAT), Column("Volume", Kind.FLOAT)))


def fits(sample: Sample) -> bool:
    """Its three columns."""
    return sample.header() == tuple(column.name for column in LAYOUT.columns)


def read(intake: Intake) -> Iterator[Batch]:
    """Trades of one future, `ES` unless the option symbol says otherwise."""
    number = intake.instrument(intake.symbol("ES"), "CME", "future", "USD")
    repeats = Repeats(intake)
    for table in TableReader(LAYOUT, intake).tables():
        stamped = stamps(table.frame["DateTime"], intake.notes, table.lines)
        repeats.see(table, stamped.times)
        times = intake.utc(stamped, ZONE, table.lines)
        rows = trade_rows(times, table.frame["Price"].to_numpy(), table.frame["Volume"].to_numpy())
        rows["instrument"] = number
        yield Batch(rows, table.lines)


FORMAT = Format(
    name="es_ticks",
    about="Futures trades as DateTime,Price,Volume in exchange time",
    kinds=(MarketKind.TRADE,),
    fits=fits,
    read=read,
    options=frozenset({"zone"}),
    quantity="contracts",
)
