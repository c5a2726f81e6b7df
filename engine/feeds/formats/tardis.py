"""CSV as Tardis sells it: trades, best quotes and book changes, `timestamp` and `local_timestamp` in microseconds.

Rows are in order of `local_timestamp`, which is the designated time. Ids that are no number become 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from engine.feeds.format import Format, Sample
from engine.feeds.formats.trades import SIDES, mapped, per_symbol
from engine.feeds.intake import Batch, Intake
from engine.feeds.pack import market_rows, quote_rows, trade_rows
from engine.feeds.repeats import Repeats
from engine.feeds.report import FindingCode
from engine.feeds.stamps import Times, counted
from engine.feeds.tables import Column, Kind, Layout, Table, TableReader
from events.rows import MarketFlag, MarketKind, Rows

FIRST = (
    Column("exchange", Kind.TEXT),
    Column("symbol", Kind.TEXT),
    Column("timestamp", Kind.INT),
    Column("local_timestamp", Kind.INT),
)
TRADES = Layout(
    columns=(
        *FIRST,
        Column("id", Kind.TEXT, nullable=True),
        Column("side", Kind.TEXT),
        Column("price", Kind.FLOAT),
        Column("amount", Kind.FLOAT),
    )
)
QUOTES = Layout(
    columns=(
        *FIRST,
        *(Column(name, Kind.FLOAT, nullable=True) for name in ("ask_amount", "ask_price", "bid_price", "bid_amount")),
    )
)
BOOK = Layout(
    columns=(
        *FIRST,
        Column("is_snapshot", Kind.TEXT),
        Column("side", Kind.TEXT),
        Column("price", Kind.FLOAT),
        Column("amount", Kind.FLOAT),
    )
)
UNKNOWN = {**SIDES, "unknown": 0, "bid": 1, "ask": -1}


def _has(layout: Layout, sample: Sample) -> bool:
    return sample.header() == tuple(column.name for column in layout.columns)


def _times(table: Table, intake: Intake) -> tuple[Times, Times]:
    frame, notes = table.frame, intake.notes
    event = counted(frame["timestamp"].to_numpy(), notes, table.lines, "timestamp")
    return event, counted(frame["local_timestamp"].to_numpy(), notes, table.lines, "local_timestamp")


def _numbered(rows: Rows, table: Table, intake: Intake) -> None:
    frame = table.frame
    numbers = per_symbol(frame["symbol"], intake, str(frame["exchange"][0]).upper().replace("-", "_"))
    rows["instrument"] = np.repeat(numbers, len(rows) // frame.height) if isinstance(numbers, np.ndarray) else numbers


def read_trades(intake: Intake) -> Iterator[Batch]:
    """Trades."""
    repeats = Repeats(intake)
    for table in TableReader(TRADES, intake).tables():
        frame = table.frame
        event, received = _times(table, intake)
        repeats.see(table, received)
        rows = trade_rows(
            event,
            frame["price"].to_numpy(),
            frame["amount"].to_numpy(),
            side=mapped(frame["side"], UNKNOWN, table, intake),
            id=frame["id"].cast(pl.Int64, strict=False).fill_null(0).to_numpy(),
            ts_received_ns=received,
        )
        _numbered(rows, table, intake)
        yield Batch(rows, table.lines)


def read_quotes(intake: Intake) -> Iterator[Batch]:
    """Two rows a line, bid first; a side that is empty makes none."""
    for table in TableReader(QUOTES, intake).tables():
        event, received = _times(table, intake)
        sides = {name: table.frame[name].fill_null(0.0).to_numpy() for name in table.frame.columns[4:8]}
        bid, ask = sides["bid_price"], sides["ask_price"]
        rows = quote_rows(event, bid, ask, (sides["bid_amount"], sides["ask_amount"]))
        rows["ts_received_ns"] = received.repeat(2)
        _numbered(rows, table, intake)
        present = np.column_stack([bid != 0, ask != 0])
        intake.notes.add(FindingCode.ONE_SIDED, table.lines[~present.all(axis=1)])
        intake.notes.add(FindingCode.CROSSED, table.lines[(bid > ask) & present.all(axis=1)])
        yield Batch(rows[present.reshape(-1)], table.lines.repeat(2)[present.reshape(-1)])


def read_book(intake: Intake) -> Iterator[Batch]:
    """One book row a line; the first line of a snapshot clears the book."""
    last = False
    for table in TableReader(BOOK, intake).tables():
        frame = table.frame
        event, received = _times(table, intake)
        rows = market_rows(event, received)
        rows["price"], rows["quantity"] = frame["price"].to_numpy(), frame["amount"].to_numpy()
        rows["kind"] = np.where(rows["quantity"] == 0, MarketKind.BOOK_DELETE, MarketKind.BOOK_SET)
        rows["side"] = mapped(frame["side"], UNKNOWN, table, intake)
        snapshot = (frame["is_snapshot"].str.to_lowercase() == "true").to_numpy()
        starts = snapshot & ~np.concatenate([[last], snapshot[:-1]])
        rows["flags"] = snapshot * int(MarketFlag.SNAPSHOT) + starts * int(MarketFlag.CLEAR)
        last = bool(snapshot[-1])
        _numbered(rows, table, intake)
        yield Batch(rows, table.lines)


TRADES_FORMAT = Format(
    name="tardis_trades",
    about="Tardis trades CSV",
    kinds=(MarketKind.TRADE,),
    fits=lambda sample: _has(TRADES, sample),
    read=read_trades,
    designated="received",
)
QUOTES_FORMAT = Format(
    name="tardis_quotes",
    about="Tardis best quotes CSV",
    kinds=(MarketKind.BID, MarketKind.ASK),
    fits=lambda sample: _has(QUOTES, sample),
    read=read_quotes,
    designated="received",
)
BOOK_FORMAT = Format(
    name="tardis_book",
    about="Tardis incremental book CSV (level 2)",
    kinds=(MarketKind.BOOK_SET, MarketKind.BOOK_DELETE),
    fits=lambda sample: _has(BOOK, sample),
    read=read_book,
    designated="received",
    book="levels",
)
