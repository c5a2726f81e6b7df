"""Instruments: what is traded, with one number for ever."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from events.facts.kinds import Command, Fact


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
    asset_type: str = ""  # as the catalogue has it: how many periods make a year; empty: a market that never closes


class InstrumentDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an instrument beside its symbol and venue. Steps of 0: not known; fees as shares of one."""

    asset_type: str = "crypto"  # crypto, perpetual, future, forex, equity, etf, index or cfd
    base: str = ""
    quote: str = ""
    price_step: float = 0.0
    quantity_step: float = 0.0
    notional_min: float = 0.0
    maker_fee_ratio: float = 0.001
    taker_fee_ratio: float = 0.001
    name: str = ""
    primary_source: str = ""


class InstrumentChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change; None stays as it is."""

    asset_type: str | None = None
    base: str | None = None
    quote: str | None = None
    price_step: float | None = None
    quantity_step: float | None = None
    notional_min: float | None = None
    maker_fee_ratio: float | None = None
    taker_fee_ratio: float | None = None
    name: str | None = None
    primary_source: str | None = None


class CreateInstrument(Command, frozen=True, tag="CreateInstrument"):
    """Register an instrument; one that was removed comes back under its number."""

    aggregate: ClassVar[str] = "catalogue"

    symbol: str
    venue: str
    details: InstrumentDetails


class ChangeInstrument(Command, frozen=True, tag="ChangeInstrument"):
    """Change what is known of an instrument. Sessions that run keep the terms they started with."""

    aggregate: ClassVar[str] = "catalogue"

    number: int
    changes: InstrumentChanges


class RemoveInstrument(Command, frozen=True, tag="RemoveInstrument"):
    """No new session on it. Refused while a session trades it; its number is never another's."""

    aggregate: ClassVar[str] = "catalogue"

    number: int


class InstrumentRegistered(Fact, frozen=True, tag="InstrumentRegistered"):
    """An instrument has a number. The same symbol and venue never gets a second one: after a removal it is this one
    again.
    """

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
    user: str = ""  # who asked for it; empty: a source or an import


class InstrumentChanged(Fact, frozen=True, tag="InstrumentChanged"):
    """All that is known of an instrument from now on."""

    number: int
    details: InstrumentDetails
    user: str


class InstrumentRemoved(Fact, frozen=True, tag="InstrumentRemoved"):
    """No new session trades it; reads as of before still have it."""

    number: int
    user: str


COMMANDS: tuple[type[Command], ...] = (CreateInstrument, ChangeInstrument, RemoveInstrument)
FACTS: tuple[type[Fact], ...] = (InstrumentRegistered, InstrumentChanged, InstrumentRemoved)
