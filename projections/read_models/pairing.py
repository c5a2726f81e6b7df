"""Trades and positions out of fills, one fill at a time: a pure fold per lane.

A trade runs from the entry of a flat lane to its exit. Fills that add are averaged into the entry, fills that reduce
into the exit; a fill that crosses zero is split by quantity, with its share of the fee: one part ends a trade, the
rest begins the next. Sums of money are of float64, those of quantities exact in decimals; a test compares
them with exact decimals.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

# A position below this share of the trade's largest counts as flat: 0.1 + 0.2 - 0.3 is.
FLAT_RATIO = 1e-9


class Fill(NamedTuple):
    """What pairing reads of a fill."""

    sequence: int
    ts_event_ns: int
    order: int
    price: float
    quantity: float  # base units, > 0
    fee: float  # quote currency
    realized: float  # as the loop says, of the closed part
    side: int  # 1 buy, -1 sell
    code: int


class Trade(NamedTuple):
    """A trade that has ended."""

    side: int  # 1 long, -1 short
    entry_sequence: int
    entry_ns: int
    exit_ns: int
    entry_order: int
    exit_order: int
    entry_code: int
    exit_code: int
    fills: int
    quantity: float  # entered in all, base units
    entry_price: float  # quantity-weighted mean of the fills that added
    exit_price: float  # of the fills that reduced
    fees: float  # quote currency
    pnl: float  # quote currency, fees taken off
    return_ratio: float  # pnl / (entry_price * quantity)


class Holding(msgspec.Struct):
    """A lane: what it holds, the sums of the trade that is open, and the lane's own totals."""

    quantity: float = 0.0  # signed base units
    entry_price: float = 0.0  # average cost of what is held, 0 when flat
    last_price: float = 0.0  # of the last fill
    last_ns: int = 0
    realized: float = 0.0  # of the lane so far, before fees
    fees: float = 0.0  # of the lane so far
    fills: int = 0  # of the lane so far
    trades: int = 0  # ended so far
    side: int = 0  # of the open trade; the fields below are its own and 0 when flat
    peak: float = 0.0  # largest quantity held
    entered: float = 0.0  # quantity in
    paid: float = 0.0  # notional in
    exited: float = 0.0  # quantity out
    got: float = 0.0  # notional out
    trade_fees: float = 0.0
    trade_fills: int = 0
    entry_sequence: int = 0
    entry_ns: int = 0
    entry_order: int = 0
    entry_code: int = 0


def summed(one: float, other: float) -> float:
    """Two quantities together as they are written, so that 0.1 and 0.2 are 0.3."""
    return one + other if not one or not other else float(Decimal(repr(one)) + Decimal(repr(other)))


def apply_fill(holding: Holding, fill: Fill) -> Trade | None:
    """Change the holding by one fill; the trade that it ended, if any."""
    holding.fills += 1
    holding.fees += fill.fee
    holding.realized += fill.realized
    holding.last_price = fill.price
    holding.last_ns = fill.ts_event_ns
    if holding.side in (0, fill.side):
        _enter(holding, fill, fill.quantity, fill.fee)
        return None
    held = abs(holding.quantity)
    over = summed(fill.quantity, -held)
    if over <= FLAT_RATIO * holding.peak:
        return _end(holding, fill) if _leave(holding, fill, fill.quantity, fill.fee) else None
    closing_fee = fill.fee * (held / fill.quantity)
    _leave(holding, fill, held, closing_fee)
    trade = _end(holding, fill)
    _enter(holding, fill, over, fill.fee - closing_fee)
    return trade


def _enter(holding: Holding, fill: Fill, quantity: float, fee: float) -> None:
    if not holding.side:
        holding.side = fill.side
        holding.entry_sequence = fill.sequence
        holding.entry_ns = fill.ts_event_ns
        holding.entry_order = fill.order
        holding.entry_code = fill.code
    before = abs(holding.quantity)
    after = before + quantity
    holding.entry_price = (holding.entry_price * before + fill.price * quantity) / after
    holding.quantity = holding.side * after
    holding.peak = max(holding.peak, after)
    holding.entered = summed(holding.entered, quantity)
    holding.paid += fill.price * quantity
    holding.trade_fees += fee
    holding.trade_fills += 1


def _leave(holding: Holding, fill: Fill, quantity: float, fee: float) -> bool:
    """Take `quantity` out; whether the lane is flat then."""
    after = abs(holding.quantity) - quantity
    holding.quantity = holding.side * after
    holding.exited = summed(holding.exited, quantity)
    holding.got += fill.price * quantity
    holding.trade_fees += fee
    holding.trade_fills += 1
    return after <= FLAT_RATIO * holding.peak


def _end(holding: Holding, fill: Fill) -> Trade:
    pnl = holding.side * (holding.got - holding.paid) - holding.trade_fees
    trade = Trade(
        side=holding.side,
        entry_sequence=holding.entry_sequence,
        entry_ns=holding.entry_ns,
        exit_ns=fill.ts_event_ns,
        entry_order=holding.entry_order,
        exit_order=fill.order,
        entry_code=holding.entry_code,
        exit_code=fill.code,
        fills=holding.trade_fills,
        quantity=holding.entered,
        entry_price=holding.paid / holding.entered,
        exit_price=holding.got / holding.exited,
        fees=holding.trade_fees,
        pnl=pnl,
        return_ratio=pnl / abs(holding.paid) if holding.paid else 0.0,
    )
    holding.trades += 1
    holding.quantity = holding.entry_price = holding.peak = 0.0
    holding.side = holding.trade_fills = holding.entry_order = holding.entry_code = 0
    holding.entry_sequence = holding.entry_ns = 0
    holding.entered = holding.paid = holding.exited = holding.got = holding.trade_fees = 0.0
    return trade
