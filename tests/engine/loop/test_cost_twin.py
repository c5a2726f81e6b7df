"""Costs, sizes by risk and buying power against a session reckoned by hand in exact decimals."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.facts import SessionCosts
from events.rows import Code, SignalKind
from tests.engine.loop.cost_twin import CostTwin, Deal
from tests.engine.loop.driving import START_NS, Desk, ask, bid, limits, spec_of, terms, trade

ROWS = 240
SCRIPT_MAX = 60
HOUR_NS = 3_600 * 1_000_000_000

COSTS = st.builds(
    SessionCosts,
    spread=st.sampled_from([0.0, 0.05, 0.13]),
    slippage=st.sampled_from([0.0, 0.01, 0.023]),
    commission=st.sampled_from([0.0, 0.07]),
    instrument_fees=st.booleans(),
    leverage=st.sampled_from([0.0, 1.2, 3.0]),
    risk_ratio=st.sampled_from([0.0, 0.013, 0.02]),
)


def market_of(seed: int) -> list[dict[str, Any]]:
    """Trades that jump, and quotes that come, go and cross: an hour apart, over ten days."""
    chance = np.random.default_rng(seed)
    rows, price = [trade(100.0, ts_event_ns=START_NS)], 100.0
    for at in range(1, ROWS):
        price = round(max(price + float(chance.normal(0, 0.6)), 20.0), 2)
        kind = chance.integers(0, 5)
        away = round(float(chance.integers(-1, 6)) / 100, 2)
        if kind == 0:
            row = bid(round(price - away, 2), float(chance.integers(0, 2)) * 5.0)
        elif kind == 1:
            row = ask(round(price + away, 2), float(chance.integers(0, 2)) * 5.0)
        else:
            row = trade(price)
        rows.append(row | {"ts_event_ns": START_NS + at * HOUR_NS})
    return rows


def script_of(seed: int, rows: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """What the strategy says by row: never on two rows behind each other, and a trade follows."""
    chance = np.random.default_rng(seed + 1)
    said: dict[int, dict[str, Any]] = {}
    for at in range(1, len(rows) - 1):
        free = at - 1 not in said and len(said) < SCRIPT_MAX and rows[at + 1]["kind"] == rows[0]["kind"]
        if free and chance.random() < 0.4:
            kind = int(
                chance.choice([SignalKind.ENTER_LONG, SignalKind.ENTER_SHORT, SignalKind.EXIT], p=[0.4, 0.4, 0.2])
            )
            said[at] = {"kind": kind}
            if kind != SignalKind.EXIT and chance.random() < 0.3:
                said[at]["quantity"] = float(chance.integers(1, 90))
    return said


def compared(seed: int, costs: SessionCosts, **bounds: float) -> tuple[Desk, CostTwin]:
    """The loop and its twin over one market; `bounds` are limits beside those of all."""
    rows = market_of(seed)
    script = script_of(seed, rows)
    instrument = terms(taker_fee_ratio=0.0007)
    values = {"cash": 10_000.0, "global_cap": 0.0, "order_notional": 3_000.0, "stop_loss_ratio": 0.01373} | bounds
    given_limits = limits(costs=costs, **values)
    desk = Desk(spec_of(given=given_limits, instrument=instrument))
    desk.script(*((at + 1, fields) for at, fields in script.items())).rows(*rows)
    twin = CostTwin(given_limits, costs, instrument)
    for at, row in enumerate(rows):
        gone = row["kind"] != rows[0]["kind"] and row["quantity"] == 0.0
        twin.row(at, {**row, "price": 0.0} if gone else row, script.get(at))
    return desk, twin


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    costs=COSTS,
    stop=st.sampled_from([0.0, 0.01373]),
    day=st.sampled_from([0.0, 0.004, 0.02]),
    position=st.sampled_from([0.0, 0.013, 0.3]),
)
def test_every_cost_is_what_the_twin_reckons(
    seed: int, costs: SessionCosts, stop: float, day: float, position: float
) -> None:
    """Price, size and fee of every fill, every denial, cash and equity: to the cent of a session by hand."""
    bounds = {"stop_loss_ratio": stop, "daily_loss_ratio": day, "position_risk_ratio": position}
    desk, twin = compared(seed, costs, **bounds)
    fills = desk.kind(2)
    assert len(fills) == len(twin.deals)
    assert len(fills) > 5 or day or position
    for fill, deal in zip(fills, twin.deals, strict=True):
        found = (float(fill["price"]), float(fill["quantity"] * fill["side"]), float(fill["fee"]))
        assert int(fill["input"]) == deal.input
        assert found == pytest.approx(tuple(float(one) for one in deal[1:]), rel=1e-9, abs=1e-9)
    assert [(int(row["input"]), Code(row["code"]).name) for row in desk.kind(3)] == twin.denials
    account = desk.loop.account[0]
    assert float(account["cash"]) == pytest.approx(float(twin.cash), rel=1e-9)
    assert float(account["equity"]) == pytest.approx(float(twin.equity), rel=1e-9)


def test_the_twin_finds_what_is_left_out() -> None:
    """Leave out any one cost, and the twin's cash differs: nothing of them is compared with itself."""
    costs = SessionCosts(spread=0.13, slippage=0.023, commission=0.07, leverage=1.2, risk_ratio=0.013)
    _, whole = compared(7, costs)
    assert whole.denials
    assert any(deal.fee for deal in whole.deals)
    for left_out in ({"spread": 0.0}, {"slippage": 0.0}, {"commission": 0.0}, {"leverage": 0.0}, {"risk_ratio": 0.0}):
        desk, _ = compared(7, msgspec.structs.replace(costs, **left_out))
        assert float(desk.loop.account[0]["cash"]) != pytest.approx(float(whole.cash), rel=1e-9), left_out
    free, _ = compared(7, msgspec.structs.replace(costs, instrument_fees=False))
    assert float(free.loop.account[0]["fees"]) < float(sum(deal.fee for deal in whole.deals))
    assert isinstance(whole.deals[0], Deal)


def test_the_twin_meets_both_limits() -> None:
    """A limit that is met changes what both decide, and they decide the same."""
    for name, value, code in (
        ("daily_loss_ratio", 0.004, "DAILY_LOSS_REACHED"),
        ("position_risk_ratio", 0.013, "MAX_POSITION_EXCEEDED"),
    ):
        desk, twin = compared(7, SessionCosts(), **{name: value})
        assert code in {one for _, one in twin.denials}
        assert [(int(row["input"]), Code(row["code"]).name) for row in desk.kind(3)] == twin.denials
