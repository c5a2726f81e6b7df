"""Trades out of fills: a trade runs from the entry of a flat lane to its exit.

Fills of one lane that add to the position are averaged into the entry, those that reduce it into the exit. A fill that
crosses zero is split there: one part, with its share of the fee, ends a trade, the rest begins the next. What is still
held at the end is an open trade, marked at the given price.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from events.errors import InvalidInput
from events.rows import Code, Rows

# One trade. 104 bytes.
TRADE_DTYPE = np.dtype(
    [
        ("entry_ns", "<i8"),  # event time of the first fill, ns UTC
        ("exit_ns", "<i8"),  # event time of the last fill, or of the mark of an open trade
        ("entry_price", "<f8"),  # quantity-weighted mean of the fills that added
        ("exit_price", "<f8"),  # of the fills that reduced; of an open trade: with what is held at its mark
        ("quantity", "<f8"),  # entered in all, base units, > 0
        ("fees", "<f8"),  # quote currency
        ("pnl", "<f8"),  # quote currency, fees taken off
        ("return_ratio", "<f8"),  # pnl / (entry_price * quantity)
        ("mae_ratio", "<f8"),  # worst price while held against the entry price, <= 0; NaN: prices not given
        ("mfe_ratio", "<f8"),  # best price while held against the entry price, >= 0; NaN: prices not given
        ("entry_order", "<i8"),
        ("exit_order", "<i8"),  # order of the last fill
        ("fills", "<i4"),
        ("lane", "<i4"),
        ("instrument", "<i4"),
        ("side", "i1"),  # +1 long, -1 short
        ("open", "i1"),  # 1: not exited yet
        ("code", "<i2"),  # Code of the exit's last fill; NONE while open
    ]
)

# A position below this share of the trade's largest counts as flat: 0.1 + 0.2 - 0.3 is.
FLAT_RATIO = 1e-9


class _Fill(NamedTuple):
    """One row of the fills; the fields are read by these names."""

    ts_event_ns: int
    price: float
    quantity: float
    fee: float
    side: int
    lane: int
    instrument: int
    order: int
    code: int

    def part(self, quantity: float) -> _Fill:
        """`quantity` of this fill with its share of the fee."""
        return self._replace(quantity=quantity, fee=self.fee * (quantity / self.quantity))


@dataclass(slots=True)
class _Holding:
    """One trade while its fills come in."""

    number: int  # of its first fill
    first: _Fill
    last: _Fill
    position: float = 0.0  # base units, >= 0
    peak: float = 0.0
    fills: int = 0
    fees: list[float] = field(default_factory=list)
    entered: list[float] = field(default_factory=list)  # quantities
    paid: list[float] = field(default_factory=list)  # notionals of the entered quantities
    left: list[float] = field(default_factory=list)
    got: list[float] = field(default_factory=list)

    def add(self, fill: _Fill) -> None:
        self._count(fill)
        self.position += fill.quantity
        self.peak = max(self.peak, self.position)
        self.entered.append(fill.quantity)
        self.paid.append(fill.price * fill.quantity)

    def reduce(self, fill: _Fill) -> None:
        self._count(fill)
        self._release(fill.price, fill.quantity)

    def mark(self, ts_event_ns: int, price: float) -> None:
        """Value what is held as if it left at this price."""
        self.last = self.last._replace(ts_event_ns=ts_event_ns, code=int(Code.NONE))
        self._release(price, self.position)

    def flat(self) -> bool:
        return self.position <= FLAT_RATIO * self.peak

    def row(self, is_open: bool) -> tuple[float | int, ...]:
        """The trade in the order of `TRADE_DTYPE`."""
        first, last = self.first, self.last
        quantity, paid, got, fees = (
            math.fsum(self.entered),
            math.fsum(self.paid),
            math.fsum(self.got),
            math.fsum(self.fees),
        )
        pnl = math.fsum([first.side * got, -first.side * paid, -fees])
        return (
            *(first.ts_event_ns, last.ts_event_ns, paid / quantity, got / math.fsum(self.left), quantity, fees, pnl),
            *(pnl / abs(paid) if paid else 0.0, math.nan, math.nan, first.order, last.order),
            *(self.fills, first.lane, first.instrument, first.side, int(is_open), last.code),
        )

    def _count(self, fill: _Fill) -> None:
        self.last = fill
        self.fills += 1
        self.fees.append(fill.fee)

    def _release(self, price: float, quantity: float) -> None:
        self.position -= quantity
        self.left.append(quantity)
        self.got.append(price * quantity)


def trades_from_fills(fills: Rows, marks: Mapping[int, tuple[int, float]] | None = None) -> Rows:
    """Pair fills into trades, in the order of their entries.

    Args:
        fills: rows with the fields of `_Fill` (as FILL_DTYPE has), in the order in which they happened.
        marks: instrument -> (ts_event_ns, price) at which open trades are valued; their newest fill where absent.

    Returns:
        TRADE_DTYPE[n].

    Raises:
        InvalidInput: a fill without quantity or side.
    """
    _check(fills)
    held: dict[tuple[int, int], _Holding] = {}
    done: list[tuple[int, tuple[float | int, ...]]] = []
    for number, fill in enumerate(map(_Fill, *(fills[name].tolist() for name in _Fill._fields))):
        key = (fill.lane, fill.instrument)
        holding = held.get(key)
        rest: _Fill | None = fill
        if holding is not None and holding.first.side != fill.side:
            rest = _leave(holding, fill)
            if holding.flat():
                done.append((holding.number, holding.row(is_open=False)))
                del held[key]
        if rest is not None:
            held.setdefault(key, _Holding(number, rest, rest)).add(rest)
    for holding in held.values():
        last = holding.last
        holding.mark(*(marks or {}).get(last.instrument, (last.ts_event_ns, last.price)))
        done.append((holding.number, holding.row(is_open=True)))
    return np.array([row for _, row in sorted(done)], TRADE_DTYPE)


def _leave(holding: _Holding, fill: _Fill) -> _Fill | None:
    """Reduce the position by the fill; give the part of it that crosses zero, if there is one."""
    over = fill.quantity - holding.position
    if over <= FLAT_RATIO * holding.peak:
        holding.reduce(fill)
        return None
    holding.reduce(fill.part(holding.position))
    return fill.part(over)


def _check(fills: Rows) -> None:
    wrong = np.flatnonzero(~(fills["quantity"] > 0.0) | (np.abs(fills["side"]) != 1))
    if wrong.size:
        row = fills[wrong[0]]
        raise InvalidInput(
            f"Fill {wrong[0]} has quantity {row['quantity']} and side {row['side']}.",
            field="quantity",
            hint="A fill has a quantity above 0 and a side of 1 or -1.",
        )


def with_excursions(trades: Rows, instrument: int, ts_event_ns: np.ndarray, prices: np.ndarray) -> Rows:
    """Give the trades of one instrument their worst and best price while held.

    Args:
        trades: TRADE_DTYPE[n].
        instrument: whose trades are completed; the others stay as they are.
        ts_event_ns: int64[m], ascending.
        prices: float64[m], the instrument's prices at these times.

    Returns:
        A copy of the trades. The entry price itself counts, so `mae_ratio <= 0 <= mfe_ratio`.
    """
    result = trades.copy()
    mine = np.flatnonzero(trades["instrument"] == instrument)
    if not mine.size or not prices.size:
        return result
    first = np.searchsorted(ts_event_ns, trades["entry_ns"][mine], "left")
    behind = np.searchsorted(ts_event_ns, trades["exit_ns"][mine], "right")
    seen = behind > first
    mine, spans = mine[seen], np.stack([first[seen], behind[seen]], axis=1).ravel()
    padded = np.append(prices, prices[-1])
    entry, side = trades["entry_price"][mine], trades["side"][mine]
    low = np.minimum.reduceat(padded, spans)[::2] / entry - 1.0 if mine.size else np.empty(0)
    high = np.maximum.reduceat(padded, spans)[::2] / entry - 1.0 if mine.size else np.empty(0)
    result["mae_ratio"][mine] = np.minimum(np.where(side > 0, low, -high), 0.0)
    result["mfe_ratio"][mine] = np.maximum(np.where(side > 0, high, -low), 0.0)
    return result
