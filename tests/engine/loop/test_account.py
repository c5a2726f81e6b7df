"""The account against exact decimal twins, and the checkers that every session must satisfy."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.loop.decision_loop import DecisionLoop, Decisions
from events.rows import MarketFlag, MarketKind, OrderStatus, Rows
from tests.engine.loop.crowd import STRATEGIES, crowd, spec
from tests.engine.loop.driving import Desk, ask, bid, limits, spec_of, terms, trade

ENDED = {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REJECTED}
CLOSE = Decimal("1e-9")


def near(value: float, exact: Decimal, scale: Decimal = Decimal(1000)) -> bool:
    """Whether a float sum is its exact twin, but for rounding."""
    return abs(Decimal(value) - exact) <= CLOSE * max(scale, abs(exact))


def last_prices(rows: Rows, numbers: list[int]) -> list[dict[int, Decimal]]:
    """Last price per instrument after each input, by the documented rules."""
    last: dict[int, Decimal] = {}
    quotes: dict[tuple[int, int], float] = {}
    traded: set[int] = set()
    out = []
    for row in rows[np.isin(rows["instrument"], numbers)]:
        number, kind, price = int(row["instrument"]), int(row["kind"]), float(row["price"])
        if kind == MarketKind.TRADE and 0.0 < price <= 1e300 and not row["flags"] & MarketFlag.OFF_BOOK:
            last[number] = Decimal(price)
            traded.add(number)
        elif kind in (MarketKind.BID, MarketKind.ASK):
            there = 0.0 < price <= 1e300 and (row["quantity"] > 0 or row["flags"] & MarketFlag.NO_QUANTITY)
            quotes[number, kind] = price if there else 0.0
            both = [quotes.get((number, side), 0.0) for side in (MarketKind.BID, MarketKind.ASK)]
            if number not in traded and min(both) > 0.0:
                last[number] = Decimal((both[0] + both[1]) * 0.5)
        out.append(dict(last))
    return out


class Twin:
    """The account in exact decimals, fed with fill rows."""

    def __init__(self, cash: float) -> None:
        self.cash = Decimal(cash)
        self.fees = self.realized = Decimal(0)
        self.positions: dict[tuple[int, int], Decimal] = {}
        self.entries: dict[int, Decimal] = {}

    def take(self, fill: np.void) -> None:
        """One fill; the row must say what the twin finds."""
        lane, key = int(fill["lane"]), (int(fill["lane"]), int(fill["instrument"]))
        price, quantity = Decimal(float(fill["price"])), Decimal(float(fill["quantity"]))
        signed = quantity * int(fill["side"])
        before = self.positions.get(key, Decimal(0))
        closed = min(abs(before), quantity) if before * signed < 0 else Decimal(0)
        realized = closed * (price - self.entries.get(lane, Decimal(0))) * (1 if before > 0 else -1)
        after = before + signed
        if abs(after) < Decimal("1e-7"):
            after = Decimal(0)
        if before * after <= 0:
            self.entries[lane] = price
        elif before * signed > 0:
            self.entries[lane] = (self.entries[lane] * abs(before) + price * quantity) / abs(after)
        self.positions[key] = after
        self.cash -= signed * price + Decimal(float(fill["fee"]))
        self.fees += Decimal(float(fill["fee"]))
        self.realized += realized
        assert near(fill["cash"], self.cash)
        assert near(fill["position"], after)
        assert near(fill["realized"], realized)

    def check(self, mark: np.void, last: dict[int, Decimal]) -> None:
        """A mark row against the twin at these prices."""
        worth = {key: held * last[key[1]] for key, held in self.positions.items() if held}
        unrealized = sum(held * (last[key[1]] - self.entries[key[0]]) for key, held in self.positions.items() if held)
        assert near(mark["cash"], self.cash)
        assert near(mark["equity"], self.cash + sum(worth.values()))
        assert near(mark["exposure"], sum((abs(value) for value in worth.values()), Decimal(0)))
        assert near(mark["realized"], self.realized)
        assert near(mark["unrealized"], Decimal(unrealized))
        assert near(mark["fees"], self.fees)


def replay(decisions: Decisions, cash: float, last: list[dict[int, Decimal]]) -> Twin:
    """All fills and marks in their order: each fill is followed by its mark."""
    twin, fills = Twin(cash), iter(decisions.fills)
    upcoming = next(fills, None)
    for mark in decisions.marks:
        if upcoming is not None and upcoming["input"] == mark["input"]:
            twin.take(upcoming)
            upcoming = next(fills, None)
        twin.check(mark, last[int(mark["input"])])
    assert upcoming is None
    return twin


def check_orders(orders: Rows, fills: Rows) -> None:
    """No order fills beyond its size, before it is active, on its own row or after its end; numbers have no gap."""
    accepted = orders[orders["status"] == OrderStatus.ACCEPTED]
    assert accepted["order"].tolist() == list(range(1, len(accepted) + 1))
    placed = {int(row["order"]): row for row in accepted}
    ends = {int(row["order"]): row for row in orders if OrderStatus(row["status"]) in ENDED}
    assert len(ends) == sum(int(row["status"]) in ENDED for row in orders), "an order ends once"
    filled: dict[int, float] = {}
    for row in fills:
        number = int(row["order"])
        filled[number] = filled.get(number, 0.0) + float(row["quantity"])
        protective = row["code"] in (3, 4, 5)
        assert row["input"] > placed[number]["input"] or (protective and row["input"] == placed[number]["input"])
        assert row["ts_event_ns"] >= placed[number]["active_ns"]
        assert number not in ends or row["input"] <= ends[number]["input"]
        assert row["quantity"] > 0 and row["price"] > 0  # noqa: PT018
    for number, quantity in filled.items():
        assert quantity <= float(placed[number]["quantity"]) * (1 + 1e-9)
        if number in ends and ends[number]["status"] == OrderStatus.FILLED:
            assert quantity == pytest.approx(float(placed[number]["quantity"]), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), cash=st.sampled_from([500.0, 1000.0, 1e6]))
def test_every_fill_and_mark_equals_its_decimal_twin(seed: int, cash: float) -> None:
    """Cash, positions, realized and unrealized profit, fees, exposure and equity after each fill and at each mark."""
    rows = crowd(1_500, seed)
    given = spec(cash=cash, global_cap=cash)
    loop = DecisionLoop(given, STRATEGIES)
    decisions = loop.advance(rows)
    numbers = [one.number for one in given.instruments]
    twin = replay(decisions, cash, last_prices(rows, numbers))
    check_orders(decisions.orders, decisions.fills)
    lanes = loop.lanes
    held = {number: float(lanes["position"][lanes["instrument"] == at].sum()) for at, number in enumerate(numbers)}
    assert held == pytest.approx({int(row["number"]): float(row["position"]) for row in loop.instruments}, abs=1e-9)
    assert near(loop.equity, twin.cash + _worth(twin, rows, numbers))
    assert len(decisions.fills) > 0


def _worth(twin: Twin, rows: Rows, numbers: list[int]) -> Decimal:
    last = last_prices(rows, numbers)[-1]
    return sum((held * last[key[1]] for key, held in twin.positions.items()), Decimal(0))


def test_equity_peak_and_fall_are_kept_at_each_row() -> None:
    """The greatest fall from the peak counts rows between marks too."""
    at = Desk(spec_of(given=limits(cash=1000.0))).script((1, {"kind": 1, "quantity": 10.0}))
    at.rows(*(trade(price) for price in (100.0, 100.0, 110.0, 104.5, 99.0, 108.0)))
    account = at.loop.account[0]
    assert account["equity"] == 1080.0
    assert account["equity_peak"] == 1100.0
    assert account["drawdown_ratio"] == pytest.approx(110.0 / 1100.0, rel=1e-15)


def test_marks_come_at_the_interval_and_after_fills() -> None:
    """One on the first row, one on the first row at or past each boundary, one after each fill."""
    at = Desk(spec_of(given=limits(equity_interval_ms=3000))).script((2, {"kind": 1}))
    at.rows(*[trade(100.0)] * 9)
    marks = at.kind(4)
    start = 1_700_000_000 % 3
    boundaries = [0, *(second for second in range(1, 9) if (second + start) % 3 == 0)]
    assert marks["input"].tolist() == sorted([*boundaries, 2])


def test_the_end_has_a_mark() -> None:
    """Results end with the last row, whether positions are closed or not; a session without rows has none."""
    for flatten in (False, True):
        at = Desk(spec_of(given=limits(equity_interval_ms=3_600_000))).script((1, {"kind": 1}))
        at.rows(trade(100.0), trade(100.0), trade(104.0))
        at.keep(at.loop.close(flatten=flatten))
        last = at.kind(4)[-1]
        assert int(last["ts_event_ns"]) == int(at.loop.account[0]["loop_ns"])
        assert float(last["equity"]) == at.loop.equity
        assert (float(last["exposure"]) == 0.0) is flatten
    assert not Desk(spec_of()).loop.close(flatten=True)


def test_quotes_alone_move_the_price_until_the_first_trade() -> None:
    """The mid is the last price of an instrument that never traded."""
    at = Desk(spec_of()).rows(bid(99.0), ask(101.0))
    assert at.loop.instruments[0]["last"] == 100.0
    at.rows(trade(99.5), bid(97.0))
    assert at.loop.instruments[0]["last"] == 99.5


def test_a_late_row_does_not_turn_loop_time_back() -> None:
    """Loop time is the running maximum of the designated time."""
    at = Desk(spec_of(designated="received", instrument=terms()))
    at.rows(trade(100.0, ts_received_ns=900), trade(100.0, ts_received_ns=700))
    assert at.loop.account["loop_ns"][0] == 900
