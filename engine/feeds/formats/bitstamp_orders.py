"""Bitstamp's order events: `id,timestamp,exchange.timestamp,price,volume,action,direction`, ms, volume in 1e-8.

An order is created, changed (its rest is new) or deleted: book rows whose `id` is the order's, so the book is of
orders and not of levels. Trades are not made of them: the source does not say which two orders met.
`exchange.timestamp` is the time the order was created and steps backward; the time of receipt is the designated one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.feeds.format import Format, Sample
from engine.feeds.formats.trades import mapped
from engine.feeds.intake import Batch, Intake
from engine.feeds.pack import market_rows
from engine.feeds.repeats import Repeats
from engine.feeds.stamps import counted
from engine.feeds.tables import Column, Kind, Layout, TableReader
from events.rows import MarketKind, Side

SCALE = 1e8
ACTIONS = {
    "created": MarketKind.BOOK_SET,
    "changed": MarketKind.BOOK_SET,
    "deleted": MarketKind.BOOK_DELETE,
}
DIRECTIONS = {"bid": Side.BUY, "ask": Side.SELL}
LAYOUT = Layout(
    columns=(
        Column("id", Kind.INT),
        Column("timestamp", Kind.INT),
        Column("exchange.timestamp", Kind.INT),
        Column("price", Kind.FLOAT),
        Column("volume", Kind.INT),
        Column("action", Kind.TEXT),
        Column("direction", Kind.TEXT),
    )
)


def fits(sample: Sample) -> bool:
    """Its seven columns."""
    return sample.header() == tuple(column.name for column in LAYOUT.columns)


def read(intake: Intake) -> Iterator[Batch]:
    """One book row an event."""
    number = intake.instrument(intake.symbol("BTC/USD"), "BITSTAMP")
    repeats = Repeats(intake)
    for table in TableReader(LAYOUT, intake).tables():
        frame = table.frame
        received = counted(frame["timestamp"].to_numpy(), intake.notes, table.lines, "timestamp")
        created = counted(frame["exchange.timestamp"].to_numpy(), intake.notes, table.lines, "exchange.timestamp")
        repeats.see(table, received)
        rows = market_rows(created, received)
        rows["price"] = frame["price"].to_numpy()
        rows["id"] = frame["id"].to_numpy()
        rows["kind"] = mapped(frame["action"], ACTIONS, table, intake)
        rows["side"] = mapped(frame["direction"], DIRECTIONS, table, intake)
        stays = rows["kind"] == MarketKind.BOOK_SET
        rows["quantity"] = np.where(stays, frame["volume"].to_numpy() / SCALE, 0.0)
        rows["instrument"] = number
        yield Batch(rows, table.lines)


FORMAT = Format(
    name="bitstamp_orders",
    about="Bitstamp order events (level 3)",
    kinds=(MarketKind.BOOK_SET, MarketKind.BOOK_DELETE),
    fits=fits,
    read=read,
    designated="received",
    book="orders",
)
