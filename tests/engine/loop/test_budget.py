"""Caps, allocations and the other checks that an order passes before it is placed."""

from __future__ import annotations

import pytest

from engine.loop.spec import LaneSpec, LoopSpec
from events.errors import InvalidInput
from events.facts import SessionLimits
from events.rows import OrderKind, Side, SignalKind
from tests.engine.loop.driving import Desk, limits, spec_of, terms, trade

LONG, SHORT, EXIT, QUOTE, _ = (int(kind) for kind in SignalKind)


def two_lanes(given: SessionLimits, share: float = 1.0) -> LoopSpec:
    """Two scripted lanes on one instrument, each with a share of the cap."""
    lane = LaneSpec(strategy="scripted", instrument=0, allocation_ratio=share)
    return spec_of(given=given, lanes=(lane, lane))


def codes(at: Desk) -> list[tuple[str, float]]:
    """(code, limit) of each denial."""
    return [(code, limit) for _, code, limit in at.denials]


def test_the_global_cap_counts_every_lane_and_working_order() -> None:
    """150 in use at most: the second entry of 100 is denied."""
    at = Desk(two_lanes(limits(global_cap=150.0)))
    at.script((1, {"kind": LONG}), lane=0).script((1, {"kind": LONG}), lane=1).rows(trade(100.0), trade(100.0))
    assert codes(at) == [("BUDGET_EXCEEDED", 150.0)]
    assert at.loop.lanes["position"].tolist() == [1.0, 0.0, 0.0]


def test_an_allocation_is_a_share_of_the_global_cap() -> None:
    """A lane with half of 150 may not enter with 100."""
    at = Desk(two_lanes(limits(global_cap=150.0), 0.5)).script((1, {"kind": LONG})).rows(trade(100.0))
    assert codes(at) == [("ALLOCATION_EXCEEDED", 75.0)]


def test_a_position_may_not_pass_its_maximum() -> None:
    """The maximum is notional at the last price; adding past it is denied."""
    at = Desk(spec_of(given=limits(position_max=250.0)))
    at.script((1, {"kind": LONG, "quantity": 2.0}), (3, {"kind": LONG, "quantity": 1.0}))
    at.rows(*[trade(100.0)] * 4)
    assert codes(at) == [("MAX_POSITION_EXCEEDED", 250.0)]


def test_reductions_meet_no_cap() -> None:
    """Prices have risen past every cap: the exit goes through."""
    at = Desk(spec_of(given=limits(global_cap=150.0, position_max=150.0)))
    at.script((1, {"kind": LONG}), (3, {"kind": EXIT})).rows(trade(100.0), trade(100.0), trade(900.0), trade(900.0))
    assert codes(at) == []
    assert at.loop.lanes[0]["position"] == 0.0


def test_a_flip_within_the_caps_needs_no_more_than_the_new_side() -> None:
    """From long 100 to short 100 under a cap of 120."""
    at = Desk(spec_of(given=limits(global_cap=120.0)))
    at.script((1, {"kind": LONG}), (3, {"kind": SHORT})).rows(*[trade(100.0)] * 4)
    assert codes(at) == []
    assert at.loop.lanes[0]["position"] == -1.0


def test_working_orders_reserve_what_they_would_add() -> None:
    """Two resting buys of 100 fill the cap of 250; a cancel gives it back."""
    lane = LaneSpec(strategy="scripted", instrument=0, allocation_ratio=2.0)
    at = Desk(spec_of(given=limits(global_cap=250.0), lanes=(lane,)))
    buy = {"kind": QUOTE, "side": 1, "price": 100.0, "quantity": 1.0, "tag": 1}
    at.script((1, buy), (1, buy), (1, buy), (2, {"kind": 5, "tag": 1}), (3, buy))
    at.rows(trade(110.0))
    assert codes(at) == [("BUDGET_EXCEEDED", 250.0)]
    assert at.loop.account["reserved"][0] == 200.0
    at.rows(trade(110.0), trade(110.0))
    assert at.loop.account["reserved"][0] == 100.0
    at.rows(trade(99.0))
    assert at.loop.account["reserved"][0] == 0.0


def test_sells_against_a_position_reserve_nothing() -> None:
    """A grid's other side closes; only what goes beyond the position counts."""
    at = Desk(spec_of())
    sell = {"kind": QUOTE, "side": -1, "price": 120.0, "quantity": 1.5}
    at.script((1, {"kind": LONG, "quantity": 2.0}), (3, sell), (4, sell)).rows(*[trade(100.0)] * 3)
    assert at.loop.account["reserved"][0] == 0.0
    at.rows(trade(100.0))
    assert at.loop.account["reserved"][0] == 120.0


@pytest.mark.parametrize(("quantity", "denied"), [(0.05, True), (0.1, False)])
def test_the_smallest_order(quantity: float, denied: bool) -> None:
    """The venue's minimum is a notional."""
    at = Desk(spec_of(instrument=terms(notional_min=10.0)))
    at.script((1, {"kind": LONG, "quantity": quantity})).rows(trade(100.0))
    assert codes(at) == ([("BELOW_MINIMUM", 10.0)] if denied else [])


def test_a_full_list_takes_no_entry_but_every_exit() -> None:
    """Places are kept for exits, so a position can always be closed."""
    at = Desk(spec_of(working_max=2))
    quotes = [(2, {"kind": QUOTE, "side": 1, "price": 90.0, "quantity": 0.1})] * 3
    at.script((1, {"kind": LONG}), *quotes, (3, {"kind": EXIT, "quantity": 1.0}))
    at.rows(*[trade(100.0)] * 4)
    assert codes(at) == [("ORDERS_LIMIT", 2.0)]
    assert at.loop.lanes[0]["position"] == 0.0


def test_without_a_price_nothing_is_ordered() -> None:
    """A hand order before the first price is denied."""
    at = Desk(spec_of()).order(Side.BUY, 1.0)
    assert codes(at) == [("NO_PRICE", 0.0)]
    at = Desk(spec_of()).rows(trade(100.0)).order(Side.BUY, 1.0, OrderKind.LIMIT)
    assert codes(at) == [("NO_PRICE", 0.0)]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"global_cap": float("nan")}, "global_cap"),
        ({"cash": -1.0}, "cash"),
        ({"stop_loss_ratio": 1.5}, "stop_loss_ratio"),
        ({"equity_interval_ms": 0}, "equity_interval_ms"),
    ],
)
def test_limits_that_make_no_sense_are_refused(fields: dict[str, float], field: str) -> None:
    """The message names the limit."""
    with pytest.raises(InvalidInput, match=field):
        spec_of(given=limits(**fields))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"lanes": ()}, "lanes"),
        ({"instruments": ()}, "instruments"),
        ({"instruments": (terms(1), terms(1))}, "instruments"),
        ({"instruments": (terms(-1),)}, "instruments"),
        ({"lanes": (LaneSpec(strategy="scripted", instrument=1),)}, "lanes"),
        ({"seed": -1}, "seed"),
        ({"working_max": 0}, "working_max"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(fields: dict[str, object], field: str) -> None:
    """Every list has its limit, every number its place."""
    with pytest.raises(InvalidInput) as caught:
        spec_of(**fields)  # type: ignore[arg-type]
    assert caught.value.field == field
