"""Protective exits: levels, prices, codes, and what is left to do when a row has no room."""

from __future__ import annotations

import numpy as np
import pytest

from events.facts import SessionLimits
from events.rows import Code, OrderKind, Rows
from tests.engine.loop.driving import Desk, ask, bar, bid, limits, spec_of, terms, trade

ENTER_LONG, ENTER_SHORT, EXIT, QUOTE = 1, 2, 3, 4


def entered(given: SessionLimits, kind: int = ENTER_LONG, quantity: float = 2.0) -> Desk:
    """A lane with a position opened at 100 on input 1."""
    at = Desk(spec_of(given=given)).script((1, {"kind": kind, "quantity": quantity}))
    return at.rows(trade(100.0), trade(100.0))


@pytest.mark.parametrize(
    ("given", "kind", "prices", "fill", "code"),
    [
        (limits(stop_loss_ratio=0.02), ENTER_LONG, (98.5, 97.9), (3, 97.9, -2.0), "STOP_LOSS"),
        (limits(stop_loss_ratio=0.02), ENTER_SHORT, (101.5, 102.3), (3, 102.3, 2.0), "STOP_LOSS"),
        (limits(take_profit_ratio=0.02), ENTER_LONG, (101.5, 102.5), (3, 102.0, -2.0), "TAKE_PROFIT"),
        (limits(take_profit_ratio=0.02), ENTER_SHORT, (98.5, 97.5), (3, 98.0, 2.0), "TAKE_PROFIT"),
        (limits(trailing_ratio=0.01), ENTER_LONG, (105.0, 103.9), (3, 103.9, -2.0), "TRAILING_STOP"),
        (limits(trailing_ratio=0.01), ENTER_SHORT, (95.0, 96.0), (3, 96.0, 2.0), "TRAILING_STOP"),
        (limits(trailing_ratio=0.05, stop_loss_ratio=0.01), ENTER_LONG, (99.5, 98.9), (3, 98.9, -2.0), "STOP_LOSS"),
        (limits(trailing_ratio=0.01, stop_loss_ratio=0.05), ENTER_LONG, (99.5, 98.9), (3, 98.9, -2.0), "TRAILING_STOP"),
        (limits(stop_loss_ratio=0.01, slippage_ratio=0.001), ENTER_LONG, (100.0, 98.0), (3, 97.9, -2.0), "STOP_LOSS"),
    ],
)
def test_a_level_closes_the_position_on_the_row_that_meets_it(
    given: SessionLimits, kind: int, prices: tuple[float, ...], fill: tuple[int, float, float], code: str
) -> None:
    """Stops at the row's price with slippage, targets at the target."""
    at = entered(given, kind).rows(*(trade(price) for price in prices))
    assert at.fills[1:] == [fill]
    assert [row[2:] for row in at.orders if row[0] == 3] == [("ACCEPTED", code), ("FILLED", code)]
    assert at.kind(2)[1]["maker"] == (code == "TAKE_PROFIT")
    assert at.loop.lanes[0]["position"] == 0.0


def test_a_stop_takes_the_worse_of_price_and_quote() -> None:
    """A known bid below the trade is what a stop gets."""
    at = entered(limits(stop_loss_ratio=0.02)).rows(bid(97.0), ask(98.0), trade(97.8))
    assert at.fills[1:] == [(4, 97.0, -2.0)]


def test_what_the_row_has_no_room_for_goes_on_as_a_market_order() -> None:
    """Participation holds for exits too; no second exit is triggered meanwhile."""
    at = entered(limits(stop_loss_ratio=0.02, fill_ratio_max=0.1), quantity=1.0)
    at.rows(trade(97.0, 4.0), trade(96.0, 5.0), trade(95.0))
    assert at.fills[1:] == [(2, 97.0, -0.4), (3, 96.0, -0.5), (4, 95.0, -0.1)]
    assert [row for row in at.orders if row[3] == "STOP_LOSS"] == [
        (2, 2, "ACCEPTED", "STOP_LOSS"),
        (4, 2, "FILLED", "STOP_LOSS"),
    ]
    assert at.loop.lanes[0]["exits_pending"] == 0


def test_an_exit_clears_the_lane() -> None:
    """Quotes and entries that work for the lane are cancelled with the exit's code, and none opens it again."""
    at = Desk(spec_of(given=limits(stop_loss_ratio=0.02)))
    at.script(
        (1, {"kind": ENTER_LONG, "quantity": 1.0}), (2, {"kind": QUOTE, "side": 1, "price": 90.0, "quantity": 1.0})
    )
    at.rows(trade(100.0), trade(100.0), trade(94.0), trade(90.0))
    assert at.ends == [(1, "FILLED", "ENTRY"), (2, "CANCELLED", "STOP_LOSS"), (3, "FILLED", "STOP_LOSS")]
    assert at.loop.working.tolist() == []


def test_an_exit_on_its_way_is_not_doubled() -> None:
    """A stop that is met while the strategy's own exit is pending closes only what that leaves."""
    given = limits(stop_loss_ratio=0.02, latency_ms=5000.0)
    at = Desk(spec_of(given=given)).script((1, {"kind": ENTER_LONG, "quantity": 1.0}), (7, {"kind": EXIT}))
    at.rows(*[trade(100.0)] * 7, trade(97.0), *[trade(96.0)] * 6)
    assert [price for _, price, _ in at.fills] == [100.0, 96.0]
    assert at.loop.lanes[0]["position"] == 0.0


@pytest.mark.parametrize(
    ("name", "one", "fill"),
    [
        ("low first, both levels", bar(100.0, 103.0, 97.0, 100.0), (9, 98.0, "STOP_LOSS")),
        ("high first, both levels", bar(100.0, 102.5, 97.0, 100.0), (10, 98.0, "STOP_LOSS")),
        ("high first, target only", bar(100.0, 101.2, 98.5, 100.0), (10, 101.0, "TAKE_PROFIT")),
        ("low first, target only", bar(100.0, 101.7, 98.5, 100.0), (10, 101.0, "TAKE_PROFIT")),
        ("opens beyond the stop", bar(97.0, 99.0, 96.0, 98.0), (8, 97.0, "STOP_LOSS")),
        ("opens beyond the target", bar(105.0, 106.0, 104.0, 105.0), (8, 101.0, "TAKE_PROFIT")),
    ],
)
def test_bars_meet_the_stop_before_the_target(name: str, one: Rows, fill: tuple[int, float, str]) -> None:
    """A bar that holds both levels is taken to have met the stop, wherever it went first."""
    at = Desk(spec_of(given=limits(stop_loss_ratio=0.02, take_profit_ratio=0.01)))
    at.script((1, {"kind": ENTER_LONG, "quantity": 1.0}))
    still = bar(100.0, 100.0, 100.0, 100.0)
    at.bars(still.copy(), still.copy(), one.copy())
    assert [(row[0], row[1]) for row in at.fills] == [(4, 100.0), fill[:2]], name
    assert Code(at.kind(2)[1]["code"]).name == fill[2]


def test_a_target_before_the_entry_is_not_taken() -> None:
    """An order that fills at a bar's low does not take profit at the high that came before it."""
    at = Desk(spec_of(given=limits(take_profit_ratio=0.01)))
    at.script((1, {"kind": ENTER_LONG, "order_kind": OrderKind.LIMIT, "price": 98.0, "quantity": 1.0}))
    at.bars(bar(100.0, 100.0, 100.0, 100.0), bar(100.0, 101.0, 97.0, 97.5))
    assert at.fills == [(6, 98.0, 1.0)]


def test_a_bar_stops_out_an_entry_within_it() -> None:
    """An order that fills on the way to a bar's low is stopped out by the rest of the way."""
    at = Desk(spec_of(given=limits(stop_loss_ratio=0.005)))
    at.script((1, {"kind": ENTER_LONG, "order_kind": OrderKind.LIMIT, "price": 98.0, "quantity": 1.0}))
    at.bars(bar(100.0, 100.0, 100.0, 100.0), bar(100.0, 101.0, 97.0, 97.5))
    assert at.fills == [(6, 98.0, 1.0), (6, 97.51, -1.0)]


def test_a_short_lane_mirrors_a_long_one() -> None:
    """Prices mirrored at 100 give the mirrored fills."""
    path = np.cumsum(np.random.Generator(np.random.Philox(key=5)).integers(-20, 21, 400)) * 0.01
    given = limits(stop_loss_ratio=0.003, take_profit_ratio=0.004, trailing_ratio=0.0)
    sides = []
    for kind, sign in ((ENTER_LONG, 1.0), (ENTER_SHORT, -1.0)):
        at = Desk(spec_of(given=given, instrument=terms(price_step=0.0)))
        at.script(*((call, {"kind": kind, "quantity": 1.0}) for call in range(1, 400, 40)))
        at.rows(*(trade(1000.0 + sign * float(step)) for step in path))
        sides.append([(row, (price - 1000.0) * sign, quantity * sign) for row, price, quantity in at.fills])
    assert len(sides[0]) > 8
    for long, short in zip(*sides, strict=True):
        assert long == pytest.approx(short, abs=1e-9)
