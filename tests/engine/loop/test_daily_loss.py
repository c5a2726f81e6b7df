"""The daily loss limit: when a UTC day is over, what goes on, and what begins again."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.loop.decision_loop import DecisionLoop
from events.errors import InvalidInput
from events.rows import Code, OrderKind, Rows, Side, SignalKind
from tests.engine.loop.crowd import STRATEGIES, crowd, outcome, spec
from tests.engine.loop.driving import START_NS, Desk, limits, plain_loop, spec_of, trade

LONG, SHORT, EXIT, QUOTE, _ = (int(kind) for kind in SignalKind)
DAY_NS = 86_400 * 1_000_000_000
TEN_PERCENT = limits(cash=1_000.0, global_cap=10_000.0, order_notional=1_000.0, daily_loss_ratio=0.1)
REACHED = "DAILY_LOSS_REACHED"


def desk(**fields: Any) -> Desk:
    """A session with 1,000 of cash that may lose 100 a day."""
    return Desk(spec_of(given=TEN_PERCENT, **fields))


def next_day(price: float) -> dict[str, Any]:
    """A trade on the day after."""
    return trade(price, ts_event_ns=START_NS + DAY_NS)


def test_golden_day() -> None:
    """At the floor of 900 working entries are cancelled and entries denied; exits go on; the next day all is open."""
    at = desk().script(
        (1, {"kind": LONG}),
        (2, {"kind": QUOTE, "side": 1, "price": 50.0, "quantity": 1.0, "tag": 1}),
        (4, {"kind": LONG, "quantity": 1.0}),
        (5, {"kind": LONG, "quantity": 1.0}),
        (6, {"kind": EXIT}),
        (7, {"kind": LONG}),
        (8, {"kind": LONG}),
    )
    at.rows(*[trade(price) for price in (100.0, 100.0, 90.01, 90.0, 95.0, 95.0, 95.0)])
    at.rows(next_day(95.0), next_day(95.0))
    assert at.fills == [(1, 100.0, 10.0), (6, 95.0, -10.0), (8, 95.0, 10.526)]
    assert at.denials == [(4, REACHED, 900.0), (6, REACHED, 900.0)]
    assert [row for row in at.orders if row[2] != "ACCEPTED"] == [
        (1, 1, "FILLED", "ENTRY"),
        (3, 2, "CANCELLED", REACHED),
        (3, 3, "CANCELLED", REACHED),
        (6, 4, "FILLED", "SIGNAL_EXIT"),
        (8, 5, "FILLED", "ENTRY"),
    ]
    assert float(at.loop.account["day_floor"][0]) == pytest.approx(0.9 * 950.0)


def test_golden_flip() -> None:
    """A flip that waits for its row when the day ends only closes, and one that is asked for later only closes too."""
    at = desk().script((1, {"kind": LONG}), (3, {"kind": SHORT})).rows(*[trade(100.0)] * 2, trade(90.0), trade(91.0))
    assert at.orders[2:] == [
        (2, 2, "ACCEPTED", "FLIP"),
        (2, 2, "CANCELLED", REACHED),
        (2, 3, "ACCEPTED", "SIGNAL_EXIT"),
        (3, 3, "FILLED", "SIGNAL_EXIT"),
    ]
    assert at.fills[1:] == [(3, 91.0, -10.0)]
    later = desk().script((1, {"kind": LONG}), (4, {"kind": SHORT})).rows(*[trade(100.0)] * 2, *[trade(90.0)] * 3)
    assert later.denials == [(3, REACHED, 900.0)]
    assert later.fills[1:] == [(4, 90.0, -10.0)]


def test_golden_by_hand() -> None:
    """What is ordered by hand is held to the limit of the session; selling what is held is not."""
    at = desk().order(Side.BUY, 1.0).rows(trade(100.0))
    at.order(Side.BUY, 10.0).rows(trade(100.0))
    at.order(Side.BUY, 1.0, OrderKind.LIMIT, price=10.0).rows(trade(90.0))
    at.order(Side.BUY, 1.0).order(Side.SELL, 11.0).order(Side.SELL, 4.0).order(
        Side.SELL, 6.0, OrderKind.LIMIT, price=80.0
    )
    at.rows(trade(90.0))
    assert at.denials == [(0, "NO_PRICE", 0.0), (3, REACHED, 900.0), (3, REACHED, 900.0)]
    assert at.fills == [(1, 100.0, 10.0), (3, 90.0, -4.0), (3, 90.0, -6.0)]
    assert (2, "CANCELLED", REACHED) in at.ends


def test_a_stop_loss_goes_on() -> None:
    """A day that is over does not keep a protective exit from closing."""
    given = limits(cash=1_000.0, order_notional=1_000.0, daily_loss_ratio=0.1, stop_loss_ratio=0.2)
    at = Desk(spec_of(given=given)).script((1, {"kind": LONG}))
    at.rows(*[trade(price) for price in (100.0, 100.0, 85.0, 79.0)])
    assert at.fills[1:] == [(3, 79.0, -10.0)]


def test_a_stop_under_a_position_goes_on() -> None:
    """A stop by hand for what is held is not taken away by the limit, and sells no more than what is held."""
    at = desk().rows(trade(100.0)).order(Side.BUY, 10.0).rows(trade(100.0))
    at.order(Side.SELL, 15.0, OrderKind.STOP, stop_price=85.0).order(Side.BUY, 1.0, OrderKind.LIMIT, price=50.0)
    at.rows(trade(90.0), trade(84.0), trade(70.0))
    assert at.fills == [(1, 100.0, 10.0), (3, 84.0, -10.0)]
    assert (3, "CANCELLED", REACHED) in at.ends
    assert float(at.loop.account["reserved"][0]) == 0.0


def test_days_are_counted_from_what_they_began_with() -> None:
    """What a day loses counts from the equity of the last row before it, gains of days before included."""
    at = desk().script((1, {"kind": LONG})).rows(trade(100.0), trade(100.0), trade(150.0))
    at.rows(next_day(136.0))
    assert float(at.loop.account["day_floor"][0]) == pytest.approx(0.9 * 1_500.0)
    assert int(at.loop.account["day_over"][0]) == 0
    at.rows(next_day(135.0))
    assert int(at.loop.account["day_over"][0]) == 1


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("name", ["daily_loss_ratio", "position_risk_ratio"])
def test_a_share_is_of_the_whole(name: str, value: float) -> None:
    """A limit outside of 0 to 1 is refused by its name."""
    with pytest.raises(InvalidInput) as refused:
        spec_of(given=limits(**{name: value}))
    assert refused.value.field == name


def test_a_position_risks_its_share_at_its_stop() -> None:
    """2 % of 10,000 at a stop of 5 % are 4,000 of notional; sizes by risk come as far as the limit and no further."""
    given = limits(cash=10_000.0, stop_loss_ratio=0.05, position_risk_ratio=0.02)
    at = Desk(spec_of(given=given))
    at.script((1, {"kind": LONG, "quantity": 40.0}), (3, {"kind": LONG, "quantity": 0.5})).rows(*[trade(100.0)] * 4)
    assert at.fills == [(1, 100.0, 40.0)]
    assert [(code, round(most, 6)) for _, code, most in at.denials] == [("MAX_POSITION_EXCEEDED", 4_000.0)]
    without = Desk(spec_of(given=limits(cash=10_000.0, position_risk_ratio=0.02)))
    without.script((1, {"kind": LONG, "quantity": 2.5}), (2, {"kind": LONG, "quantity": 2.0})).rows(*[trade(100.0)] * 3)
    assert without.denials == [(0, "MAX_POSITION_EXCEEDED", 200.0)]
    assert without.fills == [(2, 100.0, 2.0)]


# --- the law ------------------------------------------------------------------------------------------------------

ROWS = crowd(5_000, seed=3)  # they pass midnight
HELD = {"daily_loss_ratio": 0.004, "position_risk_ratio": 0.0005}


@pytest.fixture(scope="module")
def whole() -> tuple[list[bytes], str]:
    """The outcome of one call."""
    got = outcome(DecisionLoop(spec(**HELD), STRATEGIES, capacity=200_000), [ROWS])
    denials = np.frombuffer(got[0][3], DecisionLoop(spec(), STRATEGIES).advance(ROWS[:0]).denials.dtype)
    codes = {Code(code) for code in denials["code"]}
    assert {Code.DAILY_LOSS_REACHED, Code.MAX_POSITION_EXCEEDED} <= codes, "both limits are met"
    return got


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, len(ROWS)), max_size=30), capacity=st.integers(0, 400))
def test_any_cutting_gives_the_same_bytes(whole: tuple[list[bytes], str], cuts: list[int], capacity: int) -> None:
    """A day ends on the same row however rows arrive and outputs fill up."""
    edges = [0, *sorted(cuts), len(ROWS)]
    parts = [ROWS[first:last] for first, last in itertools.pairwise(edges)]
    assert outcome(DecisionLoop(spec(**HELD), STRATEGIES, capacity=capacity), parts) == whole


@pytest.mark.parametrize("cut", [1, 1_777, 3_000, 4_500])
def test_a_snapshot_goes_on_to_the_same_bytes(whole: tuple[list[bytes], str], cut: int) -> None:
    """Whether the day is over is part of what a restart brings back."""
    first, second = DecisionLoop(spec(**HELD), STRATEGIES), DecisionLoop(spec(**HELD), STRATEGIES)
    before, _ = outcome(first, [ROWS[:cut]])
    second.restore(first.snapshot())
    after, state = outcome(second, [ROWS[cut:]])
    assert ([one + other for one, other in zip(before, after, strict=True)], state) == whole


def test_plain_python_gives_the_same_bytes() -> None:
    """What numba compiled is what the source says."""
    rows: Rows = ROWS[2_600:3_400]
    compiled = outcome(DecisionLoop(spec(**HELD), STRATEGIES), [rows])
    with np.errstate(all="ignore"):
        plain = outcome(DecisionLoop(spec(**HELD), STRATEGIES, loop=plain_loop(STRATEGIES.values())), [rows])
    assert plain == compiled


def test_a_limit_that_is_never_met_changes_nothing() -> None:
    """A session that may lose all it has decides as one without the limit."""
    free = outcome(DecisionLoop(spec(), STRATEGIES), [ROWS])[0]
    assert outcome(DecisionLoop(spec(daily_loss_ratio=1.0), STRATEGIES), [ROWS])[0] == free
