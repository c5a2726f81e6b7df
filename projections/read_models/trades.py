"""Trades: from the entry of a flat lane to its exit. A row is made by the fill that ends the trade."""

from __future__ import annotations

from typing import get_type_hints

import msgspec

from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Table
from projections.read_models.answers import CODES, SIDES, Listed, Listing, Page, Scope, Where
from projections.read_models.pairing import Trade

TRADES = Table(
    "trades",
    (
        ("session", "INTEGER"),
        ("sequence", "BIGINT"),
        ("ordinal", "BIGINT"),  # ordinal of the fill that ended it
        ("lane", "INTEGER"),
        *((name, "BIGINT" if kind is int else "DOUBLE") for name, kind in get_type_hints(Trade).items()),
    ),
    ("session", "ordinal"),
)

# --- queries ------------------------------------------------------------------------------------------------------


class TradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One trade that has ended. Money in quote currency, quantities in base units, times in ns UTC."""

    session: str
    strategy: str
    symbol: str
    lane: int
    ordinal: int
    sequence: int
    side: str  # buy: long, sell: short
    entry_sequence: int
    entry_ns: int
    exit_ns: int
    entry_order: int
    exit_order: int
    entry_code: str
    exit_code: str
    fills: int
    quantity: float
    entry_price: float
    exit_price: float
    fees: float
    pnl: float
    return_ratio: float


_LISTING = Listing(
    "trades",
    TradeRow,
    ("lane", "ordinal", "sequence", *Trade._fields),
    ("sequence", "ordinal"),
    {"side": SIDES, "entry_code": CODES, "exit_code": CODES},
    ("quantity",),
)


class TradeSums(msgspec.Struct, frozen=True, kw_only=True):
    """What the trades of a scope add up to; quote currency."""

    trades: int
    wins: int
    losses: int
    pnl: float
    fees: float


def trades(snapshot: Snapshot, scope: Scope | None = None, page: Page | None = None) -> Listed[TradeRow]:
    """Ended trades in the order of their ends; `scope` bounds the time of exit. Raises Unknown."""
    return _LISTING.page(snapshot, _where(snapshot, scope), page or Page())


def trade_sums(snapshot: Snapshot, scope: Scope | None = None) -> TradeSums:
    """Sums over the trades that `trades` lists. Raises Unknown."""
    where = _where(snapshot, scope)
    row = snapshot.one(
        "SELECT count(*), count(*) FILTER (pnl > 0), count(*) FILTER (pnl < 0),"
        " coalesce(fsum(pnl ORDER BY sequence, ordinal), 0), coalesce(fsum(fees ORDER BY sequence, ordinal), 0)"
        f" FROM trades WHERE {where}",
        where.values,
    )
    assert row is not None, "an aggregate is one row"
    return TradeSums(**dict(zip(TradeSums.__struct_fields__, row, strict=True)))


def _where(snapshot: Snapshot, scope: Scope | None) -> Where:
    scope = scope or Scope()
    where = Where(snapshot.made("trades"))
    msgspec.structs.replace(scope, from_ns=None, to_ns=None).narrow(snapshot, where, "trades")
    scope.in_time(where, "trades", "exit_ns")
    return where
