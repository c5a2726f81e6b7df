"""Pips and lots of every type of instrument."""

from __future__ import annotations

import msgspec
import pytest

from engine.feeds.asset_types import asset_type_of
from engine.feeds.symbols import pair_of
from engine.research.pips import InPips, Units, dealt, pair_units, units
from events.facts import SessionCosts, SessionLimits
from events.facts.catalogue import InstrumentRegistered

# the documented backtest's own
ASKED = InPips(stop_loss=50.0, take_profit=100.0, spread=1.5, slippage=1.0, commission=7.0)


def instrument(symbol: str) -> InstrumentRegistered:
    """As a file of this name would register it, with a step that is no pip."""
    pair = pair_of(symbol)
    return InstrumentRegistered(
        number=1,
        symbol=symbol,
        venue="X",
        asset_type=asset_type_of(symbol),
        base=pair.base,
        quote=pair.quote,
        price_step=0.01,
        quantity_step=0.0,
    )


def in_force(symbol: str, price: float, **named: float) -> tuple[InPips, Units]:
    """What is asked for of a symbol, and its units at a first price."""
    pair = pair_units(instrument(symbol))
    asked = msgspec.structs.replace(ASKED, **({"pip": pair.pip, "lot": pair.lot} | named))
    return asked, units(asked, price)


@pytest.mark.parametrize(
    ("symbol", "price", "pip", "lot"),
    [
        ("EURUSD", 1.08, 0.0001, 100_000.0),
        ("USDJPY", 150.0, 0.01, 100_000.0),
        ("BTCUSDT", 40_000.0, 4.0, 2.5),
        ("ETH/BTC", 0.05, 0.000005, 2_000_000.0),
        ("XAUUSD", 2_000.0, 0.2, 50.0),
        ("US500", 5_000.0, 0.5, 20.0),
        ("AAPL", 200.0, 0.02, 500.0),
        ("BTC-PERP", 40_000.0, 4.0, 2.5),
    ],
)
def test_a_pip_and_a_lot_are_a_sensible_part_of_every_price(symbol: str, price: float, pip: float, lot: float) -> None:
    """Currency pairs have their own; of all else a pip is a ten-thousandth of the price, a lot is worth 100,000."""
    _, found = in_force(symbol, price)
    assert (found.pip, found.lot) == (pytest.approx(pip), pytest.approx(lot))


@pytest.mark.parametrize(("symbol", "price"), [("BTCUSDT", 40_000.0), ("PEPE_SOL", 0.00001), ("XAUUSD", 2_000.0)])
def test_the_documented_costs_are_the_same_share_of_any_price(symbol: str, price: float) -> None:
    """Half a percent to the stop, one to the target, a spread of 1.5 and a commission of 0.7 ten-thousandths."""
    asked, _ = in_force(symbol, price)
    found = dealt(SessionLimits(costs=SessionCosts(leverage=100.0)), asked, price)
    assert (found.stop_loss_ratio, found.take_profit_ratio) == (pytest.approx(0.005), pytest.approx(0.01))
    assert isinstance(found.costs, SessionCosts)
    shares = [cost / price for cost in (found.costs.spread, found.costs.slippage, found.costs.commission)]
    assert shares == [pytest.approx(0.00015), pytest.approx(0.0001), pytest.approx(0.00007)]
    assert found.costs.leverage == 100.0


def test_units_that_are_named_hold() -> None:
    """A broker's own pip of one dollar and lot of one coin."""
    asked, found = in_force("BTCUSDT", 40_000.0, pip=1.0, lot=1.0)
    assert found == Units(1.0, 1.0)
    limits = dealt(SessionLimits(), asked, 40_000.0)
    assert limits.stop_loss_ratio == pytest.approx(50 / 40_000)
    assert isinstance(limits.costs, SessionCosts)
    assert (limits.costs.spread, limits.costs.commission) == (1.5, 7.0)
