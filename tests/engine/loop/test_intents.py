"""What kernels ask for, and what becomes of it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from engine.loop.decision_loop import DecisionLoop
from engine.loop.records import INTENTS_OVER, INTENTS_WRONG
from engine.loop.spec import LaneSpec
from events.rows import Code, OrderKind, SignalKind
from tests.engine.loop.driving import Desk, limits, market, spec_of, terms, trade
from tests.engine.loop.kernels import FAILING

LONG, SHORT, EXIT, QUOTE, CANCEL = (int(kind) for kind in SignalKind)
LIMIT, STOP = int(OrderKind.LIMIT), int(OrderKind.STOP)


def play(*lines: tuple[int, dict[str, Any]], prices: tuple[float, ...] = (100.0,) * 6, **given: Any) -> Desk:
    """The script over trades at these prices; order_notional is 100."""
    return Desk(spec_of(given=limits(**given))).script(*lines).rows(*(trade(price) for price in prices))


def quantities(at: Desk) -> list[float]:
    """Signed quantities of the fills."""
    return [quantity for _, _, quantity in at.fills]


def test_an_entry_without_quantity_is_the_lanes_notional() -> None:
    """100 quote units at 30, rounded down to the quantity step."""
    at = play((1, {"kind": LONG, "strength": 2.5}), prices=(30.0, 30.0))
    assert quantities(at) == [3.333]
    signal = at.kind(0)[0]
    assert (signal["kind"], signal["side"], signal["code"], signal["strength"]) == (LONG, 1, Code.ENTRY, 2.5)


def test_an_entry_where_the_lane_is_already_does_nothing() -> None:
    """No signal, no order; with a quantity it adds."""
    assert quantities(play((1, {"kind": LONG}), (3, {"kind": LONG}))) == [1.0]
    assert len(play((1, {"kind": LONG}), (3, {"kind": LONG})).kind(0)) == 1
    assert quantities(play((1, {"kind": LONG}), (3, {"kind": LONG, "quantity": 0.5}))) == [1.0, 0.5]


def test_an_entry_that_is_on_its_way_is_not_doubled() -> None:
    """While an entry is pending the same entry does nothing."""
    assert quantities(play(*((call, {"kind": LONG}) for call in (1, 2, 3)), latency_ms=2500.0)) == [1.0]
    at = play(*((call, {"kind": LONG, "order_kind": LIMIT, "price": 99.0}) for call in (1, 2)))
    assert len(at.orders) == 1


def test_a_flip_is_one_order_of_both_sizes() -> None:
    """From long 1 to short 1 in one order with code FLIP and one fill."""
    at = play((1, {"kind": LONG}), (3, {"kind": SHORT}))
    assert quantities(at) == [1.0, -2.0]
    assert at.orders[-1][3] == "FLIP"
    assert at.loop.lanes[0]["position"] == -1.0


def test_a_flip_by_a_limit_order_closes_first() -> None:
    """The close is at the market, the entry rests."""
    at = play((1, {"kind": LONG}), (3, {"kind": SHORT, "order_kind": LIMIT, "price": 105.0}))
    assert quantities(at) == [1.0, -1.0]
    assert [row[3] for row in at.orders if row[2] == "ACCEPTED"] == ["ENTRY", "SIGNAL_EXIT", "ENTRY"]


def test_a_denied_flip_still_closes() -> None:
    """The lane may not go short: it goes flat, and a denial says why."""
    at = play((1, {"kind": LONG}), (3, {"kind": SHORT}), allow_short=False)
    assert quantities(at) == [1.0, -1.0]
    assert [code for _, code, _ in at.denials] == ["DIRECTION_NOT_ALLOWED"]


def test_an_entry_replaces_one_of_the_other_side() -> None:
    """A resting buy entry is cancelled when the strategy turns."""
    at = play((1, {"kind": LONG, "order_kind": LIMIT, "price": 99.0}), (2, {"kind": SHORT}))
    assert at.ends == [(1, "CANCELLED", "REPLACED"), (2, "FILLED", "ENTRY")]


def test_an_exit_closes_and_clears() -> None:
    """Entries and quotes of the lane are cancelled, the position closed at the market."""
    at = play(
        (1, {"kind": LONG}),
        (2, {"kind": QUOTE, "side": 1, "price": 95.0, "quantity": 1.0}),
        (4, {"kind": EXIT, "code": 42}),
    )
    assert quantities(at) == [1.0, -1.0]
    assert [(end[0], end[1]) for end in at.ends] == [(1, "FILLED"), (2, "CANCELLED"), (3, "FILLED")]
    assert {int(row["code"]) for row in at.kind(1)[3:]} == {42}


def test_an_exit_with_nothing_to_leave_says_nothing() -> None:
    """Neither a signal nor a denial."""
    at = play((1, {"kind": EXIT}), (2, {"kind": EXIT, "quantity": 1.0}), (3, {"kind": CANCEL}))
    assert [len(at.kind(kind)) for kind in range(4)] == [0, 0, 0, 0]


def test_a_part_of_a_position_may_be_closed() -> None:
    """By quantity, never more than there is; by limit, once."""
    assert quantities(play((1, {"kind": LONG}), (3, {"kind": EXIT, "quantity": 0.4}))) == [1.0, -0.4]
    assert quantities(play((1, {"kind": LONG}), (3, {"kind": EXIT, "quantity": 9.0}))) == [1.0, -1.0]
    lines = [(call, {"kind": EXIT, "order_kind": LIMIT, "price": 101.0}) for call in (3, 4)]
    at = play((1, {"kind": LONG}), *lines, prices=(100.0, 100.0, 100.0, 100.0, 102.0))
    assert quantities(at) == [1.0, -1.0]
    assert len([row for row in at.orders if row[2] == "ACCEPTED"]) == 2


def test_an_order_that_reduces_ends_with_its_position() -> None:
    """A limit exit does not open a position once the position is gone."""
    at = play(
        (1, {"kind": LONG}),
        (2, {"kind": EXIT, "order_kind": LIMIT, "price": 103.0}),
        prices=(100.0, 100.0, 97.0, 104.0),
        stop_loss_ratio=0.02,
    )
    assert at.ends == [(1, "FILLED", "ENTRY"), (2, "CANCELLED", "STOP_LOSS"), (3, "FILLED", "STOP_LOSS")]


def test_quotes_rest_until_they_are_cancelled_by_tag() -> None:
    """A CANCEL names orders by the strategy's own mark."""
    at = play(
        (1, {"kind": QUOTE, "side": 1, "price": 98.0, "quantity": 1.0, "tag": 5}),
        (1, {"kind": QUOTE, "side": 1, "price": 97.0, "quantity": 1.0, "tag": 6}),
        (2, {"kind": CANCEL, "tag": 6}),
        (3, {"kind": CANCEL, "tag": 6}),
        prices=(100.0, 100.0, 100.0, 96.0),
    )
    assert at.ends == [(2, "CANCELLED", "STRATEGY_CANCEL"), (1, "FILLED", "ENTRY")]
    assert [row["kind"] for row in at.kind(0)] == [QUOTE, QUOTE, CANCEL]


def test_a_quote_on_a_side_that_may_not_open_only_closes() -> None:
    """A long-only lane sells what it has, and is denied what it has not."""
    sell = {"kind": QUOTE, "side": -1, "price": 101.0, "quantity": 0.6}
    at = play((1, {"kind": LONG}), (3, sell), (3, sell), prices=(100.0, 100.0, 100.0, 100.0, 102.0), allow_short=False)
    assert quantities(at) == [1.0, -0.6]
    assert [code for _, code, _ in at.denials] == ["DIRECTION_NOT_ALLOWED"]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": LONG, "quantity": math.nan},
        {"kind": LONG, "quantity": math.inf},
        {"kind": LONG, "order_kind": LIMIT, "price": math.nan},
        {"kind": QUOTE, "side": 1, "order_kind": STOP, "stop_price": math.inf, "quantity": 1.0},
    ],
)
def test_what_is_no_number_is_denied_with_finite_rows(fields: dict[str, Any]) -> None:
    """A kernel's NaN never reaches an output row."""
    at = play((1, {"strength": math.nan, **fields}))
    assert [code for _, code, _ in at.denials] == ["NOT_A_NUMBER"]
    for kind in (0, 3):
        rows = at.kind(kind)
        assert all(math.isfinite(float(rows[0][name])) for name in rows.dtype.names or ())


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": QUOTE, "side": 1, "quantity": 1.0}, "NO_PRICE"),
        ({"kind": LONG, "order_kind": STOP}, "NO_PRICE"),
        ({"kind": LONG, "quantity": -1.0}, "BELOW_MINIMUM"),
        ({"kind": LONG, "quantity": 0.0004}, "BELOW_MINIMUM"),
    ],
)
def test_an_order_without_price_or_size_is_denied(fields: dict[str, Any], code: str) -> None:
    """The kind of order needs a price that the intent has not; or it is too small."""
    assert [denial[1] for denial in play((1, fields)).denials] == [code]


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": 9},
        {"kind": 0},
        {"kind": QUOTE, "side": 0},
        {"kind": LONG, "order_kind": 6},
        {"kind": LONG, "time_in_force": 4},
        {"kind": LONG, "code": 101},
    ],
)
def test_an_intent_that_means_nothing_fails_the_session(fields: dict[str, Any]) -> None:
    """It is the strategy's bug: nothing is guessed."""
    at = Desk(spec_of()).script((2, fields)).rows(trade(100.0), trade(100.0), trade(100.0))
    assert (at.loop.failed, at.loop.consumed) == (INTENTS_WRONG, 1)


def test_a_kernel_that_asks_for_too_much_fails_the_session() -> None:
    """At most INTENTS_MAX intents a row."""
    lane = LaneSpec(strategy="failing", instrument=0, params={"calls": 2, "code": 33})
    loop = DecisionLoop(spec_of(lanes=(lane,)), {"failing": FAILING})
    loop.advance(market([trade(100.0)] * 3))
    assert (loop.failed, loop.consumed) == (INTENTS_OVER, 1)


def test_prices_are_rounded_to_their_steps() -> None:
    """Limit and stop prices to the nearest step, quantities down."""
    at = Desk(spec_of(instrument=terms(price_step=0.5, quantity_step=0.1)))
    at.script((1, {"kind": QUOTE, "side": 1, "price": 98.3, "quantity": 1.19}))
    at.rows(trade(100.0))
    row = at.kind(1)[0]
    assert (float(row["price"]), round(float(row["quantity"]), 9)) == (98.5, 1.1)


def test_a_failing_kernel_keeps_what_was_decided_before() -> None:
    """The row of the failure is not read, and nothing after it."""
    strategies = {"failing": FAILING}
    loop = DecisionLoop(spec_of(lanes=(LaneSpec(strategy="failing", instrument=0),)), strategies)
    decisions = loop.advance(market([trade(100.0)] * 9))
    assert (loop.failed, loop.failed_lane, loop.consumed, loop.inputs) == (-7, 0, 4, 4)
    assert [int(row["input"]) for row in decisions.fills] == [1]
    state = loop.state_hash()
    assert not loop.advance(market([trade(100.0)] * 3))
    assert (loop.consumed, loop.state_hash()) == (0, state)
