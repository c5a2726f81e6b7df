"""Trades and positions are what exact arithmetic says, however fills add, reduce and cross zero."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections.read_models.pairing import FLAT_RATIO, Fill, Holding, Trade, paired

quantities = st.one_of(
    st.integers(1, 40).map(lambda n: n / 10),
    st.floats(1e-6, 1e6, allow_nan=False),
    st.sampled_from([0.1, 0.2, 0.3, 0.7, 1 / 3]),
)


class Execution(NamedTuple):
    """A fill as the test draws it."""

    side: int
    quantity: float
    price: float
    fee: float


executions = st.lists(
    st.builds(
        Execution,
        side=st.sampled_from([-1, 1]),
        quantity=quantities,
        price=st.floats(0.01, 1e5, allow_nan=False),
        fee=st.floats(0, 10, allow_nan=False),
    ),
    max_size=30,
)


class ExactTrade(NamedTuple):
    """A trade in exact decimals."""

    side: int
    first: int
    last: int
    fills: int
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    fees: Decimal
    pnl: Decimal


def exact(fills: list[Execution]) -> tuple[list[ExactTrade], Decimal]:
    """The twin: keeps all parts of the open trade and sums them when it ends. Also what is held at the end."""
    trades: list[ExactTrade] = []
    parts: list[tuple[int, int, Decimal, Decimal, Decimal]] = []  # number, side, quantity, price, fee
    for number, fill in enumerate(fills):
        quantity, price, fee = Decimal(fill.quantity), Decimal(fill.price), Decimal(fill.fee)
        held = sum((side * size for _, side, size, _, _ in parts), Decimal(0))
        if not parts or parts[0][1] == fill.side:
            parts.append((number, fill.side, quantity, price, fee))
            continue
        peak = _peak(parts)
        over = quantity - abs(held)
        within = quantity if over <= Decimal(FLAT_RATIO) * peak else abs(held)
        parts.append((number, fill.side, within, price, fee * within / quantity))
        if abs(held) - within <= Decimal(FLAT_RATIO) * peak:
            trades.append(_ended(parts))
            parts = [] if within == quantity else [(number, fill.side, over, price, fee * over / quantity)]
    return trades, sum((side * size for _, side, size, _, _ in parts), Decimal(0))


def _peak(parts: list[tuple[int, int, Decimal, Decimal, Decimal]]) -> Decimal:
    held, peak = Decimal(0), Decimal(0)
    for _, side, size, _, _ in parts:
        held += side * size
        peak = max(peak, abs(held))
    return peak


def _ended(parts: list[tuple[int, int, Decimal, Decimal, Decimal]]) -> ExactTrade:
    side = parts[0][1]
    entered = [(size, price) for _, way, size, price, _ in parts if way == side]
    exited = [(size, price) for _, way, size, price, _ in parts if way != side]
    paid, got = (sum((size * price for size, price in some), Decimal(0)) for some in (entered, exited))
    into, out = (sum((size for size, _ in some), Decimal(0)) for some in (entered, exited))
    fees = sum((fee for *_, fee in parts), Decimal(0))
    return ExactTrade(
        side, parts[0][0], parts[-1][0], len(parts), into, paid / into, got / out, fees, side * (got - paid) - fees
    )


def folded(fills: list[Execution]) -> tuple[list[Trade], Holding]:
    """What the projection makes of them."""
    rows = [
        Fill(at, at * 10, at, fill.price, fill.quantity, fill.fee, 0.0, fill.side, 1) for at, fill in enumerate(fills)
    ]
    after, ended = paired(Holding(), rows)
    assert len(after) == len(fills)
    return [trade for _, trade in ended], Holding(*after[-1]) if after else Holding()


@settings(max_examples=300, deadline=None)
@given(executions)
def test_trades_equal_their_exact_twin(fills: list[Execution]) -> None:
    """Sides, ends and counts are equal; prices, fees and profits to the last digits of float64."""
    with localcontext() as context:
        context.prec = 120
        expected, held = exact(fills)
    trades, holding = folded(fills)
    assert [(one.side, one.entry_order, one.exit_order, one.fills) for one in trades] == [
        (one.side, one.first, one.last, one.fills) for one in expected
    ]
    size = sum(fill.quantity for fill in fills)
    shared = sum(fill.fee for fill in fills) * size / min((fill.quantity for fill in fills), default=1.0)
    money = size * max((fill.price for fill in fills), default=0.0) + shared
    for got, want in zip(trades, expected, strict=True):
        # what a flip leaves over has the rounding of the whole it was taken from
        rel = 1e-12 + 1e-13 * size / float(want.quantity)
        assert got.quantity == pytest.approx(float(want.quantity), rel=rel)
        assert got.entry_price == pytest.approx(float(want.entry_price), rel=rel)
        assert got.exit_price == pytest.approx(float(want.exit_price), rel=rel)
        assert got.fees == pytest.approx(float(want.fees), rel=rel, abs=1e-13 * shared)
        assert got.pnl == pytest.approx(float(want.pnl), rel=rel, abs=1e-12 * money)
        assert got.return_ratio == pytest.approx(got.pnl / (got.entry_price * got.quantity), rel=1e-12)
    assert holding.quantity == pytest.approx(float(held), rel=1e-9, abs=1e-12 * size)
    assert holding.fees == pytest.approx(sum(fill.fee for fill in fills), rel=1e-12)
    assert (holding.fills, holding.trades) == (len(fills), len(trades))
    assert (holding.side == 0) == (holding.quantity == 0.0)


def test_partial_exits_are_averaged_into_one_trade() -> None:
    """In at 100 and 102, out at 110 and 90: one trade of two, its fees taken off."""
    trades, holding = folded(
        [Execution(1, 1.0, 100.0, 0.1), Execution(1, 1.0, 102.0, 0.1), Execution(-1, 0.5, 110.0, 0.1),
         Execution(-1, 1.5, 90.0, 0.1)]
    )  # fmt: skip
    (trade,) = trades
    assert (trade.entry_price, trade.exit_price, trade.quantity, trade.fills) == (101.0, 95.0, 2.0, 4)
    assert trade.pnl == pytest.approx(2 * (95 - 101) - 0.4)
    assert holding.quantity == 0.0


def test_a_flip_ends_one_trade_and_begins_the_next_with_its_share_of_the_fee() -> None:
    """Long 1, sell 3: a trade of 1 with a third of the fee, and short 2 with the rest."""
    trades, holding = folded([Execution(1, 1.0, 100.0, 0.3), Execution(-1, 3.0, 110.0, 0.9)])
    (trade,) = trades
    assert (trade.side, trade.quantity, trade.fees) == (1, 1.0, pytest.approx(0.6))
    assert (holding.quantity, holding.entry_price, holding.trade_fees) == (-2.0, 110.0, pytest.approx(0.6))
    assert (holding.entry_order, holding.trades) == (1, 1)


def test_rounding_leaves_no_position_behind() -> None:
    """0.1 + 0.2 in and 0.3 out is flat, although float64 disagrees."""
    trades, holding = folded(
        [Execution(1, 0.1, 10.0, 0.0), Execution(1, 0.2, 10.0, 0.0), Execution(-1, 0.3, 11.0, 0.0)]
    )
    assert len(trades) == 1
    assert holding == Holding(fills=3, trades=1, last_price=11.0, last_ns=20)


def test_average_cost_stays_while_a_position_shrinks() -> None:
    """The entry price of what is held changes by adding only."""
    _, holding = folded([Execution(-1, 2.0, 100.0, 0.0), Execution(1, 1.0, 80.0, 0.0), Execution(-1, 1.0, 90.0, 0.0)])
    assert (holding.quantity, holding.entry_price) == (-2.0, 95.0)


def test_quantities_add_up_as_they_are_written() -> None:
    """Bought 0.1 and 0.2 and sold 0.3 is a trade of 0.3, and what a flip leaves over is 0.1 of 0.4."""
    sent = ((0.1, 1), (0.2, 1), (0.3, -1), (0.3, 1), (0.4, -1), (0.1, 1))
    trades, _ = folded([Execution(side, size, 10.0, 0.0) for size, side in sent])
    assert [one.quantity for one in trades] == [0.3, 0.3, 0.1]


@given(executions, st.integers(0, 30))
def test_a_lane_goes_on_where_it_was(fills: list[Execution], cut: int) -> None:
    """Fills in two parts, with what was held between them, come to the same after every fill as in one."""
    rows = [Fill(at, at, at, one.price, one.quantity, one.fee, 0.5, one.side, 1) for at, one in enumerate(fills)]
    whole, trades = paired(Holding(), rows)
    before, first = paired(Holding(), rows[:cut])
    behind, second = paired(Holding(*before[-1]) if before else Holding(), rows[cut:])
    assert before + behind == whole
    assert [trade for _, trade in first + second] == [trade for _, trade in trades]
    assert [at for at, _ in first] + [at + len(before) for at, _ in second] == [at for at, _ in trades]
