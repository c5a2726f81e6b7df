"""Costs of dealing and sizes by risk: commission per unit, buying power, and what an entry loses at its stop."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.sessions.limits import check_limits
from engine.sessions.plan import SessionWish
from events.errors import InvalidInput
from events.facts import SessionCosts, SessionLimits
from events.rows import OrderKind, Side, SignalKind
from tests.engine.loop.driving import Desk, ask, bid, limits, spec_of, terms, trade

LONG, SHORT = int(SignalKind.ENTER_LONG), int(SignalKind.ENTER_SHORT)


def costly(**costs: float) -> SessionLimits:
    """Limits with these costs."""
    return limits(costs=SessionCosts(**costs))


@pytest.mark.parametrize(
    ("costs", "quotes", "bought", "sold"),
    [
        ({"spread": 0.1}, (), 100.05, 99.95),
        ({"spread": 0.1}, (bid(99.9), ask(100.1)), 100.1, 99.9),
        ({"slippage": 0.03}, (), 100.03, 99.97),
        ({"slippage": 0.03, "spread": 0.1}, (bid(99.9), ask(100.1)), 100.13, 99.87),
    ],
)
def test_takers_pay_half_the_spread_and_slippage(
    costs: dict[str, float], quotes: tuple[dict[str, Any], ...], bought: float, sold: float
) -> None:
    """Half a spread on each side where no quote is known, else the quote; slippage in price on top."""
    at = Desk(spec_of(given=costly(**costs))).rows(*quotes, trade(100.0))
    at.order(Side.BUY, 1.0).order(Side.SELL, 1.0).rows(trade(100.0))
    assert [(price, signed) for _, price, signed in at.fills] == [(bought, 1.0), (sold, -1.0)]


@pytest.mark.parametrize(("own", "fee"), [(True, 100.0 * 3 * 0.001 + 3 * 0.07), (False, 3 * 0.07)])
def test_a_commission_is_by_unit(own: bool, fee: float) -> None:
    """7 per 100 units make 0.07 a unit, on top of the instrument's own fees or in their place."""
    given = costly(commission=0.07, instrument_fees=own)
    at = Desk(spec_of(given=given, instrument=terms(taker_fee_ratio=0.001)))
    at.rows(trade(100.0)).order(Side.BUY, 3.0).rows(trade(100.0))
    assert at.kind(2)["fee"].tolist() == pytest.approx([fee])
    assert float(at.loop.account[0]["cash"]) == pytest.approx(1_000_000.0 - 300.0 - fee)


def test_buying_power_is_leverage_times_equity() -> None:
    """A thousand with leverage two buys for two thousand; more is denied with what was allowed."""
    at = Desk(spec_of(given=msgspec.structs.replace(costly(leverage=2.0), cash=1_000.0)))
    at.rows(trade(100.0)).order(Side.BUY, 20.0).order(Side.BUY, 0.001).rows(trade(100.0))
    assert at.fills == [(1, 100.0, 20.0)]
    assert at.denials == [(1, "MARGIN_EXCEEDED", 2_000.0)]


def test_lost_equity_takes_buying_power() -> None:
    """Behind a loss of half the capital the same entry is denied; an exit still goes through."""
    at = Desk(spec_of(given=msgspec.structs.replace(costly(leverage=2.0), cash=1_000.0)))
    at.rows(trade(100.0)).order(Side.BUY, 10.0).rows(trade(100.0), trade(50.0)).order(Side.BUY, 11.0)
    assert at.denials == [(3, "MARGIN_EXCEEDED", 1_000.0)]
    at.order(Side.SELL, 10.0).rows(trade(50.0))
    assert at.fills == [(1, 100.0, 10.0), (3, 50.0, -10.0)]


def test_risk_sizes_an_entry_by_its_stop() -> None:
    """Two percent of ten thousand at risk with a stop of four percent buys for five thousand, and loses two hundred."""
    given = msgspec.structs.replace(costly(risk_ratio=0.02), cash=10_000.0, stop_loss_ratio=0.04)
    at = Desk(spec_of(given=given)).script((1, {"kind": LONG})).rows(trade(100.0), trade(100.0), trade(96.0))
    assert at.fills == [(1, 100.0, 50.0), (2, 96.0, -50.0)]
    assert float(at.loop.account[0]["equity"]) == pytest.approx(9_800.0)


def test_a_size_by_risk_comes_as_far_as_the_margin() -> None:
    """A stop of a thousandth asks for two hundred thousand of ten thousand with leverage two: it buys for twenty."""
    given = msgspec.structs.replace(costly(risk_ratio=0.02, leverage=2.0), cash=10_000.0, stop_loss_ratio=0.001)
    said = {1: {"kind": LONG}, 2: {"kind": SHORT}}
    at = Desk(spec_of(given=given)).script(*said.items()).rows(trade(100.0), trade(100.0), trade(100.0))
    assert at.fills == [(1, 100.0, 200.0), (2, 100.0, -400.0)]
    assert at.denials == []
    # what names its size is not cut
    at.order(Side.SELL, 0.001)
    assert [code for _, code, _ in at.denials] == ["MARGIN_EXCEEDED"]


def test_a_resting_order_by_risk_comes_as_far_as_the_margin() -> None:
    """Beside a long position of all the margin, a quote to sell closes it and opens as much on the other side."""
    given = msgspec.structs.replace(costly(risk_ratio=0.02, leverage=2.0), cash=10_000.0, stop_loss_ratio=0.001)
    ask = {"kind": SignalKind.QUOTE, "side": Side.SELL, "price": 100.0, "tag": 1}
    at = Desk(spec_of(given=given)).script((1, {"kind": LONG}), (2, ask))
    at.rows(trade(100.0), trade(100.0), trade(101.0))
    assert at.fills[0] == (1, 100.0, 200.0)
    assert sum(quantity for _, _, quantity in at.fills) == pytest.approx(-200.0)
    assert at.denials == []


@pytest.mark.parametrize("price", [99.996, 99.994])
@pytest.mark.parametrize("kind", [SignalKind.QUOTE, SignalKind.ENTER_LONG])
@pytest.mark.parametrize("costs", [{"risk_ratio": 0.02, "leverage": 2.0}, {}], ids=["by risk", "by notional"])
def test_a_price_between_two_steps_is_rounded_before_an_entry_is_sized(
    costs: dict[str, float], kind: SignalKind, price: float
) -> None:
    """What costs all that is allowed costs it at the price that the order has, and is not denied for the rounding."""
    given = msgspec.structs.replace(
        costly(**costs), cash=10_000.0, stop_loss_ratio=0.001, order_notional=20_000.0, global_cap=20_000.0
    )
    asked = {"kind": kind, "order_kind": OrderKind.LIMIT, "side": Side.BUY, "price": price, "tag": 1}
    at = Desk(spec_of(given=given)).script((1, asked)).rows(trade(100.0), trade(100.0), trade(100.0))
    assert at.denials == []
    assert at.kind(1)["price"].tolist() == [round(price, 2)]
    assert 19_999.8 < round(price, 2) * float(at.kind(1)["quantity"][0]) <= 20_000.0


def test_without_a_stop_the_usual_size_counts() -> None:
    """No stop loss: nothing says what an entry risks."""
    at = Desk(spec_of(given=costly(risk_ratio=0.02))).script((1, {"kind": LONG})).rows(trade(100.0), trade(100.0))
    assert at.fills == [(1, 100.0, 1.0)]


def test_a_body_without_costs_is_written_as_before() -> None:
    """What names no costs has the bytes, and so the hash, that it had."""
    assert b"costs" not in msgspec.json.encode(SessionWish(mode="backtest"))
    written = msgspec.json.encode(SessionWish(mode="backtest", limits=costly(spread=0.1)))
    assert msgspec.json.decode(written, type=SessionWish).limits.costs == SessionCosts(spread=0.1)


@pytest.mark.parametrize("wrong", [{"risk_ratio": 1.5}, {"spread": -1.0}, {"commission": float("nan")}])
def test_costs_have_bounds(wrong: dict[str, float]) -> None:
    """What no loop can run with is refused with its name, when a session is planned and when a loop is built."""
    with pytest.raises(InvalidInput, match="costs"):
        check_limits(costly(**wrong))
    with pytest.raises(InvalidInput):
        spec_of(given=costly(**wrong))
