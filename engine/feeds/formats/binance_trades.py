"""Binance trades as flat records: venue, symbol, ids, three clocks, prices as text.

Files that stand behind each other in it are each in order, the whole is not; `local_ts` counts microseconds in some
and nanoseconds in others. Coin-margined quantities are contracts. A `kind` other than MARKET is a print off the book.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.feeds.format import Format, Sample
from engine.feeds.formats.binance_markets import COINM, asset_type_of, venue_of
from engine.feeds.formats.trades import BUYER_IS_MAKER, DenseIds, mapped
from engine.feeds.intake import Batch, Intake
from engine.feeds.pack import trade_rows
from engine.feeds.repeats import Repeats
from engine.feeds.report import FindingCode
from engine.feeds.stamps import counted
from engine.feeds.tables import Column, Kind, Layout, Table, TableReader
from events.rows import MarketFlag, MarketKind

LAYOUT = Layout(
    columns=(
        Column("venue", Kind.TEXT),
        Column("symbol", Kind.TEXT),
        Column("trade_id", Kind.INT),
        Column("trade_ms", Kind.INT),
        Column("event_ms", Kind.INT),
        Column("local_ts", Kind.INT),
        Column("price", Kind.FLOAT),
        Column("qty", Kind.FLOAT),
        Column("buyer_is_maker", Kind.TEXT),
        Column("kind", Kind.TEXT, nullable=True),
    )
)


def fits(sample: Sample) -> bool:
    """Its ten columns, and perhaps others."""
    return {column.name for column in LAYOUT.columns} <= set(sample.header())


def read(intake: Intake) -> Iterator[Batch]:
    """Trades of one or several instruments; the venue's time is that of the trade."""
    ids = DenseIds(intake)
    repeats = Repeats(intake)
    for table in TableReader(LAYOUT, intake).tables():
        frame = table.frame
        traded = counted(frame["trade_ms"].to_numpy(), intake.notes, table.lines, "trade_ms")
        received = counted(frame["local_ts"].to_numpy(), intake.notes, table.lines, "local_ts")
        repeats.see(table, traded)
        rows = trade_rows(
            traded,
            frame["price"].to_numpy(),
            frame["qty"].to_numpy(),
            side=mapped(frame["buyer_is_maker"], BUYER_IS_MAKER, table, intake),
            id=frame["trade_id"].to_numpy(),
            ts_received_ns=received,
        )
        rows["instrument"] = _instruments(frame, table, intake)
        for number in np.unique(rows["instrument"]):
            mine = rows["instrument"] == number
            ids.see(rows["id"][mine], table.lines[mine], int(number))
        off_book = frame["kind"].fill_null("MARKET").ne("MARKET").to_numpy()
        rows["flags"][off_book] = MarketFlag.OFF_BOOK
        intake.notes.add(FindingCode.OFF_BOOK, table.lines[off_book])
        yield Batch(rows, table.lines)


def _instruments(frame: pl.DataFrame, table: Table, intake: Intake) -> NDArray[np.int32]:
    numbers = np.zeros(frame.height, np.int32)
    for venue, symbol in frame.select("venue", "symbol").unique(maintain_order=True).rows():
        market = venue_of(venue)
        mine = ((frame["venue"] == venue) & (frame["symbol"] == symbol)).to_numpy()
        numbers[mine] = intake.instrument(symbol, market, asset_type_of(symbol, market))
        if market == COINM:
            intake.notes.add(FindingCode.QUANTITY_UNIT, table.lines[mine], detail="coin-margined: contracts")
    return numbers


FORMAT = Format(
    name="binance_trades",
    about="Binance trades as flat records (Parquet, feather or CSV)",
    kinds=(MarketKind.TRADE,),
    fits=fits,
    read=read,
)
