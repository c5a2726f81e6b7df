"""`grid`: what rests where, how it moves, and that it stays bounded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.loop.spec import LaneSpec, LoopSpec
from engine.strategies.grid import LEVELS_MAX, STRATEGY
from events.rows import Side, SignalKind
from tests.engine.loop.driving import SECOND, START_NS, Desk, limits, terms, trade
from tests.engine.strategies.driving import Drive, trades
from tests.engine.strategies.test_mean_reversion import prices

ONE_PERCENT = {"step_ratio": 0.01, "levels": 2, "level_notional": 1000.0}


def level_of(tag: int) -> int:
    """Level of an order, from its tag."""
    return int(tag) // 2 - 2**31


def quoted(said: Any) -> list[tuple[int, str, int, float]]:
    """(row, what, level, price to 3 digits) of everything said."""
    return [
        (
            int(one["row"]),
            "cancel" if one["intent"]["kind"] == SignalKind.CANCEL else Side(int(one["intent"]["side"])).name.lower(),
            level_of(one["intent"]["tag"]) if one["intent"]["tag"] else 0,
            round(float(one["intent"]["price"]), 3),
        )
        for one in said
    ]


def test_golden_grid() -> None:
    """It lays two levels a side, follows the price a level down, and is laid anew after a jump."""
    said = Drive(STRATEGY, **ONE_PERCENT).run(trades(prices([100.0, 99.5, 98.9, 99.5, 150.0])))
    assert quoted(said) == GOLDEN
    assert {float(one["intent"]["quantity"]) for one in said if one["intent"]["kind"] == SignalKind.QUOTE} == {10.0}


GOLDEN = [
    (0, "buy", -2, 98.03),
    (0, "buy", -1, 99.01),
    (0, "sell", 1, 101.0),
    (0, "sell", 2, 102.01),
    # 98.9 is under the first level: the centre is now there, what was bought is offered one level up
    (2, "cancel", 2, 0.0),
    (2, "sell", 0, 100.0),
    (2, "cancel", -1, 0.0),
    (2, "buy", -3, 97.059),
    # 150.0 is 40 levels up: everything is cancelled
    (4, "cancel", 0, 0.0),
    (4, "buy", 38, 145.953),
    (4, "buy", 39, 147.412),
    (4, "sell", 41, 150.375),
    (4, "sell", 42, 151.879),
]


def test_prices_and_quantities_in_whole_steps() -> None:
    """Buys are rounded down and sells up, quantities down."""
    drive = Drive(STRATEGY, **ONE_PERCENT)
    drive.market["price_step"], drive.market["quantity_step"] = 0.5, 3.0
    said = drive.run(trades(prices([100.0])))
    assert [float(one["intent"]["price"]) for one in said] == [98.0, 99.0, 101.0, 102.5]
    assert {float(one["intent"]["quantity"]) for one in said} == {9.0}


def test_without_a_size_there_is_no_grid() -> None:
    """Where neither the parameter nor the session names a size, nothing is quoted."""
    drive = Drive(STRATEGY, **ONE_PERCENT | {"level_notional": 0.0})
    drive.lane["order_notional"] = 0.0
    assert len(drive.run(trades(prices([100.0, 90.0])))) == 0


def test_a_spot_grid_offers_only_what_it_holds() -> None:
    """Where short is not allowed, a flat lane quotes buys only, and each level bought is one level offered."""
    drive = Drive(STRATEGY, **ONE_PERCENT)
    drive.lane["short_allowed"] = 0
    assert [what for _, what, _, _ in quoted(drive.run(trades(prices([100.0]))))] == ["buy", "buy"]
    drive.lane["position"] = 10.0
    assert [(what, level) for _, what, level, _ in quoted(drive.run(trades(prices([98.9]))))] == [
        ("sell", 0),
        ("cancel", -1),
        ("buy", -3),
    ]


class Book:
    """Fills what rests when the price trades through it, and keeps what the grid does not say."""

    def __init__(self, drive: Drive) -> None:
        self.drive = drive
        self.resting: dict[int, tuple[int, float]] = {}
        self.units = 0.0
        self.cash = 0.0  # per unit
        self.resting_max = 0

    def trade(self, price: float) -> None:
        """One trade: fills first, then the kernel."""
        for tag, (side, limit) in list(self.resting.items()):
            if (limit - price) * side > 0.0:
                self.units += side
                self.cash -= side * limit
                del self.resting[tag]
        lane = self.drive.lane
        lane["position"] = self.units * float(self.drive.state["quantity"][0])
        lane["working"] = len(self.resting)
        for one in self.drive.run(trades([(0.0, price, 1.0)])):
            intent = one["intent"]
            if intent["kind"] == SignalKind.CANCEL:
                if intent["tag"] == 0:
                    self.resting.clear()
                self.resting.pop(int(intent["tag"]), None)
            else:
                assert int(intent["tag"]) not in self.resting, "an order was laid over one that rests"
                self.resting[int(intent["tag"])] = (int(intent["side"]), float(intent["price"]))
        self.resting_max = max(self.resting_max, len(self.resting))


@settings(max_examples=60, deadline=None)
@given(
    moves=st.lists(st.one_of(st.floats(-0.02, 0.02), st.floats(-0.2, 0.2)), min_size=1, max_size=60),
    levels=st.integers(1, LEVELS_MAX),
    inventory=st.integers(1, 20),
    short=st.booleans(),
)
def test_the_grid_stays_bounded(moves: list[float], levels: int, inventory: int, short: bool) -> None:
    """On any path: at most `levels` orders a side, buys under sells, never more inventory than allowed."""
    drive = Drive(STRATEGY, step_ratio=0.01, levels=levels, level_notional=1000.0, inventory_max=inventory)
    drive.lane["short_allowed"] = short
    book = Book(drive)
    price = 100.0
    for move in [0.0, *moves]:
        price *= math.exp(move)
        book.trade(price)
        buys = [limit for side, limit in book.resting.values() if side > 0]
        sells = [limit for side, limit in book.resting.values() if side < 0]
        assert max(len(buys), len(sells)) <= levels
        assert not buys or not sells or max(buys) < min(sells)
        assert all(limit <= price * (1 + 1e-9) for limit in buys)
        assert all(limit >= price * (1 - 1e-9) for limit in sells)
        assert book.units >= (-inventory if short else 0)
        assert book.units <= inventory


def test_a_price_that_swings_earns_the_step() -> None:
    """A swing over two levels on each side is four round trips of a step, about 1 each."""
    drive = Drive(STRATEGY, **ONE_PERCENT)
    book = Book(drive)
    swing = [100.0 * 1.01**level for level in (0.0, 1.1, 2.1, 0.9, -0.1, -1.1, -2.1, -0.9)]
    for price in swing * 100:
        book.trade(price)
    book.trade(100.0)
    assert 395.0 < book.cash + book.units * 100.0 < 405.0
    assert book.resting_max <= 4


@pytest.mark.parametrize("price", [1e-8, 1e9])
def test_extreme_prices(price: float) -> None:
    """A grid of prices at either end is finite and ordered."""
    said = Drive(STRATEGY, step_ratio=0.0001, levels=LEVELS_MAX, inventory_max=20).run(
        trades(prices([price, price * 1.0005]))
    )
    limits = [float(one["intent"]["price"]) for one in said if one["intent"]["kind"] == SignalKind.QUOTE]
    assert len(limits) >= 2 * LEVELS_MAX
    assert np.isfinite(limits).all()


LAID = [(1, 97.05), (1, 98.02), (1, 99.0), (-1, 101.0), (-1, 102.01), (-1, 103.04)]  # around 100, three a side
SIDEWAYS = [trade(100.0 + 0.3 * (at % 3 - 1)) for at in range(50)]


def desk(**bounds: Any) -> Desk:
    """A session of one grid of three levels, laid around 100."""
    lane = LaneSpec(strategy="grid", instrument=0, params={"step_ratio": 0.01, "levels": 3})
    given = limits(order_notional=1000.0, **bounds)
    spec = LoopSpec(instruments=(terms(),), lanes=(lane,), limits=given)
    return Desk(spec, {"grid": STRATEGY}).rows(trade(100.0), trade(100.0))


def resting(session: Desk) -> list[tuple[int, float]]:
    """(side, price) of what rests, the lowest first."""
    orders = session.loop.working
    return sorted(((int(one["side"]), float(one["price"])) for one in orders), key=lambda order: order[1])


def test_golden_after_a_halt() -> None:
    """A halted grid asks for nothing however far the price goes; when the halt ends it lies around the price again."""
    session = desk()
    assert resting(session) == LAID
    session.keep(session.loop.halt(0, True)[1])
    session.rows(trade(100.0), trade(80.0), trade(100.2))
    assert (resting(session), session.denials) == ([], [])
    session.keep(session.loop.halt(0, False)[1])
    session.rows(*SIDEWAYS)
    assert resting(session) == LAID


def test_golden_after_a_halt_that_leaves_exits() -> None:
    """Where the exits of a long-only grid outlived the halt, its buys come back beside them, each level once."""
    session = desk(allow_short=False).rows(trade(98.9), trade(99.0))
    before = resting(session)
    assert before == [(1, 96.09), (1, 97.05), (1, 98.02), (-1, 100.0)]
    session.keep(session.loop.halt(0, True)[1])
    session.rows(trade(99.0))
    assert resting(session) == before[-1:]
    session.keep(session.loop.halt(0, False)[1])
    session.rows(trade(99.0), trade(99.0))
    assert resting(session) == before


def test_golden_after_all_was_cancelled() -> None:
    """A cancel of everything by hand is followed by a new grid on the next trade, around the level next to it."""
    session = desk()
    session.keep(session.loop.cancel_all()[1])
    session.rows(trade(100.6), trade(100.6))
    assert resting(session) == [(1, 98.02), (1, 99.0), (1, 100.0), (-1, 102.01), (-1, 103.04), (-1, 104.07)]


def test_golden_after_a_protective_exit() -> None:
    """A stop loss clears the lane; the grid is laid anew around the price it left at."""
    session = desk(stop_loss_ratio=0.005).rows(trade(98.9), trade(98.4), trade(98.4))
    assert float(session.loop.lanes["position"][0]) == 0.0
    assert resting(session) == [(1, 95.14), (1, 96.09), (1, 97.05), (-1, 99.01), (-1, 100.0), (-1, 101.0)]


def test_golden_after_a_day_that_lost_its_share() -> None:
    """The buys that a day's loss took away are laid again on the next day, once the price leaves its levels."""
    session = desk(cash=1_000.0, global_cap=1e6, daily_loss_ratio=0.1)
    session.order(Side.BUY, 50.0).rows(trade(100.0), trade(97.9))
    session.order(Side.SELL, 50.0).rows(trade(97.9))
    assert {side for side, _ in resting(session)} == {-1}
    later = START_NS + 86_400 * SECOND
    session.rows(*[trade(97.9, ts_event_ns=later + at * SECOND) for at in range(3)])
    assert {side for side, _ in resting(session)} == {-1}
    session.rows(trade(99.2, ts_event_ns=later + 9 * SECOND))
    assert resting(session) == [(1, 96.09), (1, 97.05), (1, 98.02), (-1, 100.0), (-1, 101.0), (-1, 102.01)]


def test_golden_denials_are_not_repeated() -> None:
    """Where nothing is let through, each level of the grid is asked for once until the price has left its levels."""
    session = desk(position_max=500.0).rows(*SIDEWAYS)
    assert [(at, code) for at, code, _ in session.denials] == [(0, "MAX_POSITION_EXCEEDED")] * 6
    session.rows(trade(101.1), *[trade(101.1)] * 20)
    assert len(session.denials) == 12
