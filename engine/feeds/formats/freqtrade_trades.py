"""freqtrade's trades: `timestamp,id,type,side,price,amount,cost` (ms UTC, ids as text), as feather, Parquet or CSV."""

from __future__ import annotations

from collections.abc import Iterator

from engine.feeds.format import Format, Sample
from engine.feeds.formats.trades import SIDES, DenseIds, mapped
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
        Column("id", Kind.INT),
        Column("type", Kind.TEXT, optional=True),
        Column("side", Kind.TEXT),
        Column("price", Kind.FLOAT),
        Column("amount", Kind.FLOAT),
        Column("cost", Kind.FLOAT),
    )
)


def fits(sample: Sample) -> bool:
    """Its seven columns, and perhaps a row number and a date beside them."""
    return {column.name for column in LAYOUT.columns} <= set(sample.header()) and "symbol" not in sample.header()


def read(intake: Intake) -> Iterator[Batch]:
    """Trades of the one instrument that the file name gives."""
    number = intake.instrument(intake.symbol(symbol_in_name(intake.source.name)), "BINANCE")
    ids = DenseIds(intake)
    repeats = Repeats(intake)
    for table in TableReader(LAYOUT, intake).tables():
        frame = table.frame
        times = stamps(frame["timestamp"], intake.notes, table.lines).times
        repeats.see(table, times)
        rows = trade_rows(
            times,
            frame["price"].to_numpy(),
            frame["amount"].to_numpy(),
            side=mapped(frame["side"], SIDES, table, intake),
            id=frame["id"].to_numpy(),
        )
        rows["instrument"] = number
        ids.see(rows["id"], table.lines)
        yield Batch(rows, table.lines)


FORMAT = Format(
    name="freqtrade_trades",
    about="freqtrade trades (feather, Parquet or CSV)",
    kinds=(MarketKind.TRADE,),
    fits=fits,
    read=read,
)
