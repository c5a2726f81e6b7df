"""Trades and positions out of fills: a pure fold per lane.

A trade runs from the entry of a flat lane to its exit. Fills that add are averaged into the entry, fills that reduce
into the exit; a fill that crosses zero is split by quantity, with its share of the fee: one part ends a trade, the
rest begins the next. Sums of money are of float64, those of quantities exact in decimals; a test compares
them with exact decimals.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

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


class Holding(NamedTuple):
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


Opening = tuple[int, int, int, int]  # of the open trade: sequence, time, order and code of its first fill
_NOTHING: Opening = (0, 0, 0, 0)


def summed(one: float, other: float) -> float:
    """Two quantities together as they are written, so that 0.1 and 0.2 are 0.3."""
    if not one or not other:
        return one + other
    return 0.0 if one == -other else float(Decimal(repr(one)) + Decimal(repr(other)))


def paired(holding: Holding, fills: Iterable[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], list[tuple[int, Trade]]]:
    """What a lane holds after each of its fills, and the trades that ended, with the number of the fill that did it.

    Fills have the fields of `Fill`, what is held those of `Holding`. In one piece and without a struct a step, because
    a rebuild of live sessions spends most of its time here.
    """
    held, average, _, _, realized, paid_fees, count, trades, side, *_ = holding
    peak, entered, paid, exited, got, fees, parts, *_ = holding[9:]
    held, opening = abs(held), holding[-4:]
    after, ended = [], []
    for at, (sequence, ns, order, price, quantity, fee, gain, way, code) in enumerate(fills):
        count, paid_fees, realized = count + 1, paid_fees + fee, realized + gain
        entering, size, share = side in (0, way), quantity, fee
        if not entering:
            over = summed(quantity, -held)
            entering = over > FLAT_RATIO * peak  # it crosses zero: what is over begins the next trade
            size, share = (held, fee * (held / quantity)) if entering else (quantity, fee)
            held, exited, got = held - size, summed(exited, size), got + price * size
            fees, parts = fees + share, parts + 1
            if held <= FLAT_RATIO * peak:
                closing = (ns, order, code)
                ended.append((at, _trade(side, opening, closing, (parts, entered, paid, exited, got, fees))))
                trades, side, parts, opening = trades + 1, 0, 0, _NOTHING
                held = average = peak = entered = paid = exited = got = fees = 0.0
            size, share = over, fee - share
        if entering:
            if not side:
                side, opening = way, (sequence, ns, order, code)
            before, held = held, held + size
            average = (average * before + price * size) / held
            peak, entered, paid = max(peak, held), summed(entered, size), paid + price * size
            fees, parts = fees + share, parts + 1
        lane = (side * held, average, price, ns, realized, paid_fees, count, trades)
        after.append((*lane, side, peak, entered, paid, exited, got, fees, parts, *opening))
    return after, ended


def _trade(
    side: int, opening: Opening, closing: tuple[int, int, int], sums: tuple[int, float, float, float, float, float]
) -> Trade:
    parts, entered, paid, exited, got, fees = sums
    pnl = side * (got - paid) - fees
    return Trade(
        side=side,
        entry_sequence=opening[0],
        entry_ns=opening[1],
        exit_ns=closing[0],
        entry_order=opening[2],
        exit_order=closing[1],
        entry_code=opening[3],
        exit_code=closing[2],
        fills=parts,
        quantity=entered,
        entry_price=paid / entered,
        exit_price=got / exited,
        fees=fees,
        pnl=pnl,
        return_ratio=pnl / abs(paid) if paid else 0.0,
    )
