"""Lean bars of equities and of forex, without a header.

`19980102 00:00,open,high,low,close,volume`: equity, prices x10000, New York.
`20070101 21:00,bid open,high,low,close,size,ask open,high,low,close,size`: forex, UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from engine.feeds.format import Format, Sample
from engine.feeds.formats.bars import BarTable, bars
from engine.feeds.formats.lean_names import market_of, symbol_of
from engine.feeds.formats.lean_trades import SCALE
from engine.feeds.intake import Batch, Intake
from engine.feeds.stamps import stamps
from engine.feeds.tables import Column, Kind, Layout, Table, TableReader

PRICES = ("open", "high", "low", "close")
EQUITY = Layout(
    columns=(Column("time", Kind.TEXT), *(Column(name, Kind.INT) for name in (*PRICES, "volume"))), header=False
)
FOREX = Layout(
    columns=(
        Column("time", Kind.TEXT),
        *(Column(f"{side}_{name}", Kind.FLOAT) for side in ("bid", "ask") for name in (*PRICES, "size")),
    ),
    header=False,
)
EQUITY_FIRST = re.compile(r"\d{8} \d\d:\d\d(,\d+){5}")
FOREX_FIRST = re.compile(r"\d{8} \d\d:\d\d(,[\d.]+){10}")


def fits_equity(sample: Sample) -> bool:
    """The form of its first line."""
    return EQUITY_FIRST.fullmatch(sample.line(0)) is not None


def fits_forex(sample: Sample) -> bool:
    """The form of its first line."""
    return FOREX_FIRST.fullmatch(sample.line(0)) is not None


def read_equity(intake: Intake) -> Iterator[Batch]:
    """Bars of New York days."""
    number = intake.instrument(symbol_of(intake), market_of(intake), "equity", "USD")
    return bars(
        (_equity(table, number, intake) for table in TableReader(EQUITY, intake).tables()), intake, "America/New_York"
    )


def _equity(table: Table, number: int, intake: Intake) -> BarTable:
    opened, high, low, close = (table.frame[name].to_numpy() / SCALE for name in PRICES)
    return BarTable(
        stamps(table.frame["time"], intake.notes, table.lines),
        (opened, high, low, close),
        table.frame["volume"].to_numpy().astype(np.float64),
        np.zeros(len(table.lines), np.int64),
        np.full(len(table.lines), number, np.int32),
        table.lines,
    )


def read_forex(intake: Intake) -> Iterator[Batch]:
    """Bars of the middle, or of the side that the option price_side names; no volume."""
    number = intake.instrument(symbol_of(intake), market_of(intake), "forex")
    return bars((_forex(table, number, intake) for table in TableReader(FOREX, intake).tables()), intake, "UTC")


def _forex(table: Table, number: int, intake: Intake) -> BarTable:
    side = intake.mapping.price_side or "mid"
    sides = ("bid", "ask") if side == "mid" else (side, side)
    opened, high, low, close = (
        (table.frame[f"{sides[0]}_{name}"].to_numpy() + table.frame[f"{sides[1]}_{name}"].to_numpy()) / 2
        for name in PRICES
    )
    return BarTable(
        stamps(table.frame["time"], intake.notes, table.lines),
        (opened, high, low, close),
        np.zeros(len(table.lines)),
        np.zeros(len(table.lines), np.int64),
        np.full(len(table.lines), number, np.int32),
        table.lines,
    )


EQUITY_FORMAT = Format(
    name="lean_bars",
    about="Lean equity bars, prices x10000",
    kinds=(),
    fits=fits_equity,
    read=read_equity,
    options=frozenset({"zone", "interval"}),
)
FOREX_FORMAT = Format(
    name="lean_fx_bars",
    about="Lean forex bars with bid and ask",
    kinds=(),
    fits=fits_forex,
    read=read_forex,
    options=frozenset({"zone", "interval", "price_side"}),
    quantity="none",
)
