"""Binance trades in nautilus' test layout: `timestamp,trade_id,price,quantity,buyer_maker` (True or False)."""

from __future__ import annotations

from collections.abc import Iterator

from engine.feeds.format import Format, Sample
from engine.feeds.formats.trades import BUYER_IS_MAKER, DenseIds, mapped
from engine.feeds.intake import Batch, Intake
from engine.feeds.pack import trade_rows
from engine.feeds.repeats import Repeats
from engine.feeds.stamps import stamps
from engine.feeds.symbols import symbol_in_name
from engine.feeds.tables import Column, Kind, Layout, TableReader
from events.rows import MarketKind

LAYOUT = Layout(
    columns=(
        Column("timestamp", Kind.TIME),
        Column("trade_id", Kind.INT),
        Column("price", Kind.FLOAT),
        Column("quantity", Kind.FLOAT),
        Column("buyer_maker", Kind.TEXT),
    )
)


def fits(sample: Sample) -> bool:
    """Its five columns."""
    return set(sample.header()) == {column.name for column in LAYOUT.columns}


def read(intake: Intake) -> Iterator[Batch]:
    """Trades of the one instrument that the file name gives."""
    number = intake.instrument(intake.symbol(symbol_in_name(intake.source.name)), "BINANCE")
    ids = DenseIds(intake)
    repeats = Repeats(intake)
    for table in TableReader(LAYOUT, intake).tables():
        frame = table.frame
        times = intake.utc(stamps(frame["timestamp"], intake.notes, table.lines), "UTC", table.lines)
        repeats.see(table, times)
        rows = trade_rows(
            times,
            frame["price"].to_numpy(),
            frame["quantity"].to_numpy(),
            side=mapped(frame["buyer_maker"], BUYER_IS_MAKER, table, intake),
            id=frame["trade_id"].to_numpy(),
        )
        rows["instrument"] = number
        ids.see(rows["id"], table.lines)
        yield Batch(rows, table.lines)


FORMAT = Format(
    name="nautilus_trades",
    about="Binance trades with trade_id and buyer_maker (Parquet, feather or CSV)",
    kinds=(MarketKind.TRADE,),
    fits=fits,
    read=read,
    options=frozenset({"zone"}),
)
