"""Coinbase trades: `"symbol","side","price","amount","timestamp"`, quoted text, microseconds UTC, no id."""

from __future__ import annotations

from collections.abc import Iterator

from engine.feeds.format import Format, Sample
from engine.feeds.formats.trades import SIDES, mapped, per_symbol
from engine.feeds.intake import Batch, Intake
from engine.feeds.pack import trade_rows
from engine.feeds.repeats import Repeats
from engine.feeds.stamps import stamps
from engine.feeds.tables import Column, Kind, Layout, TableReader
from events.rows import MarketKind

LAYOUT = Layout(
    columns=(
        Column("symbol", Kind.TEXT),
        Column("side", Kind.TEXT),
        Column("price", Kind.FLOAT),
        Column("amount", Kind.FLOAT),
        Column("timestamp", Kind.TIME),
    ),
    quoted=True,
)


def fits(sample: Sample) -> bool:
    """Its five columns."""
    return sample.header() == tuple(column.name for column in LAYOUT.columns)


def read(intake: Intake) -> Iterator[Batch]:
    """Trades; the side is the aggressor's."""
    repeats = Repeats(intake)
    for table in TableReader(LAYOUT, intake).tables():
        frame = table.frame
        times = intake.utc(stamps(frame["timestamp"], intake.notes, table.lines), "UTC", table.lines)
        repeats.see(table, times)
        side = mapped(frame["side"], SIDES, table, intake)
        rows = trade_rows(times, frame["price"].to_numpy(), frame["amount"].to_numpy(), side=side)
        rows["instrument"] = per_symbol(frame["symbol"], intake, "COINBASE")
        yield Batch(rows, table.lines)


FORMAT = Format(
    name="coinbase_trades",
    about="Coinbase trades, CSV with quoted text",
    kinds=(MarketKind.TRADE,),
    fits=fits,
    read=read,
    options=frozenset({"zone"}),
)
