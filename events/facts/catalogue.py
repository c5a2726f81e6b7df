"""Instruments: what is traded, with one number for ever."""

from __future__ import annotations

import msgspec

from events.facts.kinds import Fact


class InstrumentTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What a session needs to know of an instrument. Prices in quote, quantities in base units, fees as ratios."""

    number: int
    symbol: str
    quote: str
    price_step: float
    quantity_step: float
    notional_min: float
    maker_fee_ratio: float
    taker_fee_ratio: float


class InstrumentRegistered(Fact, frozen=True, tag="InstrumentRegistered"):
    """An instrument has a number. The same symbol and venue never gets a second one."""

    number: int
    symbol: str
    venue: str
    asset_type: str
    base: str
    quote: str
    price_step: float
    quantity_step: float
    notional_min: float = 0.0
    maker_fee_ratio: float = 0.001
    taker_fee_ratio: float = 0.001
    name: str = ""
    primary_source: str = ""


FACTS: tuple[type[Fact], ...] = (InstrumentRegistered,)
