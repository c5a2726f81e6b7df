"""Prices and quantities stand on the instrument's steps, as the doubles that their decimals are read as."""

from __future__ import annotations

import numpy as np
import pytest

from engine.loop.rounding import ceil_step, floor_step, nearest_step
from events.facts import SessionCosts
from events.rows import OrderKind, Side
from tests.engine.loop.driving import Desk, bar, limits, spec_of, terms, trade

STEPS = (0.1, 0.01, 0.001, 1e-4, 1e-5, 1e-8, 0.5, 0.05, 0.25, 0.125, 0.0005)
ENTER_LONG = 1


@pytest.mark.parametrize("step", STEPS)
def test_every_multiple_is_its_own_decimal(step: float) -> None:
    """Rounding a price that stands on a step leaves it, and what it is rounded to is read from its text."""
    places = 8
    chance = np.random.Generator(np.random.Philox(key=7))
    for count in chance.integers(1, 700_000, 2_000):
        price = round(int(count) * round(step * 10**places) / 10**places, places)
        for rounded in (nearest_step(price, step), floor_step(price, step), ceil_step(price, step)):
            assert rounded == price == float(f"{price:.{places}f}")
        assert nearest_step(price + 0.2 * step, step) == price


@pytest.mark.parametrize("price", [0.6, 65_000.3, 65_000.6, 65_000.7, 65_001.2])
def test_a_sell_limit_is_filled_at_its_price(price: float) -> None:
    """What trades at the price uses up the queue and fills it, there and nowhere else."""
    at = Desk(spec_of(given=limits(queue_ratio=0.0), instrument=terms(price_step=0.1)))
    at.rows(trade(price - 0.3)).order(Side.SELL, 1.0, OrderKind.LIMIT, price=price)
    at.rows(trade(price), trade(price), trade(price))
    assert set(at.kind(1)["price"]) == {price}
    assert [float(fill["price"]) for fill in at.kind(2)] == [price]


def test_a_buy_limit_waits_its_turn_at_its_own_price() -> None:
    """Trades at the price are no trades through it: the queue of what is shown stands before."""
    at = Desk(spec_of(given=limits(queue_ratio=1.0), instrument=terms(price_step=0.1)))
    at.rows(trade(0.7)).order(Side.BUY, 1.0, OrderKind.LIMIT, price=0.6).rows(trade(0.7), trade(0.6))
    through = Desk(spec_of(given=limits(queue_ratio=1.0), instrument=terms(price_step=0.1)))
    through.rows(trade(0.7)).order(Side.BUY, 1.0, OrderKind.LIMIT, price=0.6).rows(trade(0.7), trade(0.5))
    assert (len(at.kind(2)), [float(one["price"]) for one in through.kind(2)]) == (0, [0.6])


@pytest.mark.parametrize("step", [0.001, 0.0])
def test_who_may_not_go_short_can_sell_all_that_is_held(step: float) -> None:
    """In two parts, whatever the decimals: what is left of a float sum is no short position."""
    chance = np.random.Generator(np.random.Philox(key=3))
    for _ in range(40):
        bought = int(chance.integers(2, 2_000))
        sold = int(chance.integers(1, bought))
        at = Desk(spec_of(given=limits(allow_short=False), instrument=terms(quantity_step=step))).rows(trade(100.0))
        for side, thousandths in ((Side.BUY, bought), (Side.SELL, sold), (Side.SELL, bought - sold)):
            at.order(side, thousandths / 1_000).rows(trade(100.0))
        assert (len(at.kind(3)), at.loop.lanes["position"][-1]) == (0, 0.0), (bought, sold)


def test_a_target_is_a_price_of_the_grid() -> None:
    """Up from the entry: 101.8 is no price in halves, so the profit is taken at 102."""
    given = limits(take_profit_ratio=0.013, order_notional=1_000.0)
    at = Desk(spec_of(given=given, instrument=terms(price_step=0.5))).script((1, {"kind": ENTER_LONG}))
    at.rows(trade(100.5), trade(100.5), trade(101.5), trade(103.0))
    assert float(at.kind(2)["price"][-1]) == 102.0


def test_a_stop_within_a_bar_fills_at_a_price_of_the_grid() -> None:
    """Down from the level for a sale: not better than a venue would have done."""
    given = limits(stop_loss_ratio=0.013, order_notional=1_000.0)
    at = Desk(spec_of(given=given, instrument=terms(price_step=0.5))).script((1, {"kind": ENTER_LONG}))
    at.bars(bar(100.0, 100.5, 100.0, 100.5), bar(100.5, 100.5, 97.0, 97.5))
    prices = [float(price) for price in at.kind(2)["price"]]
    assert prices
    assert all(price * 2 == int(price * 2) for price in prices)


def test_closing_at_the_end_costs_what_every_fill_costs() -> None:
    """Fee and commission, as the purchase had them."""
    given = limits(costs=SessionCosts(commission=0.07))
    at = Desk(spec_of(given=given)).rows(trade(100.0)).order(Side.BUY, 10.0).rows(trade(100.0))
    at.keep(at.loop.close(flatten=True))
    bought, sold = (float(fee) for fee in at.kind(2)["fee"])
    assert bought == pytest.approx(sold)
    assert bought >= 0.7
