"""Pips and lots: what distances, costs and sizes of dealing are counted in, and their money at the first price.

A currency pair has a pip and a lot of its own. Of all else brokers set both symbol by symbol, so there they go by the
first price that is replayed: a pip is a ten-thousandth of it, a lot what 100,000 of the quote currency buy at it, as if
prices began at 1. So fifty pips are half a percent of bitcoin, of a share of an index and of a coin of 0.00001 alike.
"""

from __future__ import annotations

import msgspec

from engine.feeds.asset_types import METALS
from events.facts import SessionCosts, SessionLimits
from events.facts.catalogue import InstrumentRegistered

PIP, YEN_PIP = 0.0001, 0.01  # of currency pairs
LOT = 100_000.0
PIPS_OF_PRICE = 10_000.0


class Units(msgspec.Struct, frozen=True):
    """Quote currency of one pip, and base units of one lot."""

    pip: float
    lot: float


class InPips(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Exits and costs of dealing. What they come to in money is reckoned where the first price is known."""

    stop_loss: float = 0.0  # pips; 0: none
    take_profit: float = 0.0  # pips; 0: none
    spread: float = 0.0  # pips
    slippage: float = 0.0  # pips
    commission: float = 0.0  # quote currency per lot of every fill
    pip: float = 0.0  # quote currency; 0: by the first price
    lot: float = 0.0  # base units; 0: by the first price


def pair_units(instrument: InstrumentRegistered) -> Units:
    """Of a currency pair; zeros of all else, metals included: there the first price says."""
    metal = (instrument.base or instrument.symbol[:3]).upper() in METALS
    if instrument.asset_type != "forex" or metal:
        return Units(0.0, 0.0)
    return Units(YEN_PIP if instrument.quote == "JPY" else PIP, LOT)


def units(asked: InPips, first_price: float) -> Units:
    """The pip and the lot in force."""
    return Units(asked.pip or first_price / PIPS_OF_PRICE, asked.lot or LOT / first_price)


def dealt(limits: SessionLimits, asked: InPips, first_price: float) -> SessionLimits:
    """Limits with exits as shares of the price, and with costs in quote currency per base unit."""
    unit = units(asked, first_price)
    costs = msgspec.structs.replace(
        limits.costs if isinstance(limits.costs, SessionCosts) else SessionCosts(),
        spread=asked.spread * unit.pip,
        slippage=asked.slippage * unit.pip,
        commission=asked.commission / unit.lot,
    )
    exits = with_exits(limits, asked.stop_loss * unit.pip, asked.take_profit * unit.pip, first_price)
    return msgspec.structs.replace(exits, costs=costs)


def with_exits(limits: SessionLimits, stop: float, target: float, first_price: float) -> SessionLimits:
    """Stop and target as shares of the price that their distances, in quote currency, are at the first price."""
    return msgspec.structs.replace(
        limits,
        stop_loss_ratio=min(stop / first_price, 1.0),
        take_profit_ratio=min(target / first_price, 100.0),
    )
