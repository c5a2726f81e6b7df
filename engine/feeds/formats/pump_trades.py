"""Trades around a pump: `symbol,timestamp,datetime,side,price,amount,btc_volume`; ms UTC, `AST/BTC`, no trade id."""

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
        Column("timestamp", Kind.TIME),
        Column("datetime", Kind.TEXT),
        Column("side", Kind.TEXT),
        Column("price", Kind.FLOAT),
        Column("amount", Kind.FLOAT),
        Column("btc_volume", Kind.FLOAT),
    )
)


def fits(sample: Sample) -> bool:
    """Its seven columns."""
    return sample.header() == tuple(column.name for column in LAYOUT.columns)


def read(intake: Intake) -> Iterator[Batch]:
    """Trades; the instrument is the file's own symbol."""
    repeats = Repeats(intake)
    for table in TableReader(LAYOUT, intake).tables():
        frame = table.frame
        times = stamps(frame["timestamp"], intake.notes, table.lines).times
        repeats.see(table, times)
        side = mapped(frame["side"], SIDES, table, intake)
        rows = trade_rows(times, frame["price"].to_numpy(), frame["amount"].to_numpy(), side=side)
        rows["instrument"] = per_symbol(frame["symbol"], intake, "BINANCE")
        yield Batch(rows, table.lines)


FORMAT = Format(
    name="pump_trades",
    about="Binance trades around a pump, CSV with symbol, ms, side, price, amount",
    kinds=(MarketKind.TRADE,),
    fits=fits,
    read=read,
)
