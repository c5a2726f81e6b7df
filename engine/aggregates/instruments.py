"""Instruments: created, changed and removed by users. Sources and imports register theirs beside it, under the same
fence (`engine.catalogue.register`).
"""

from __future__ import annotations

import math
import re

import msgspec

from engine.aggregates.aggregate import Asked, Outcome
from engine.catalogue import SYMBOL, VENUE, Catalogue
from events import subjects
from events.errors import Bug, Conflict, InvalidInput, LimitReached, Unknown
from events.facts import Command, Fact, InstrumentRegistered, SessionEnded, SessionFailed, SessionStarted
from events.facts.catalogue import (
    ChangeInstrument,
    CreateInstrument,
    InstrumentChanged,
    InstrumentChanges,
    InstrumentDetails,
    InstrumentRemoved,
    RemoveInstrument,
)

INSTRUMENTS_MAX = 100_000  # numbers given, those of removed ones included
ASSET_TYPES = ("crypto", "perpetual", "future", "forex", "equity", "etf", "index", "cfd")
NAME_MAX = 120
NAMED_MAX = 3  # sessions that a refusal names

_CURRENCY = re.compile(r"[A-Za-z0-9._:/^=+-]{0,64}")
_SOURCE = re.compile(r"[A-Za-z0-9_-]{0,64}")
_TEXTS = (("base", _CURRENCY), ("quote", _CURRENCY), ("primary_source", _SOURCE))
# (field, least, most)
_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("price_step", 0.0, 1e9),
    ("quantity_step", 0.0, 1e9),
    ("notional_min", 0.0, 1e15),
    ("maker_fee_ratio", -0.1, 1.0),
    ("taker_fee_ratio", -0.1, 1.0),
)


class Instruments:
    """The aggregate."""

    name = "catalogue"
    subject = subjects.CATALOGUE
    reads: tuple[str, ...] = subjects.SESSION_FACTS
    spared: tuple[str, ...] = subjects.SESSION_FACTS

    def __init__(self) -> None:
        self.catalogue = Catalogue()
        self.trading: dict[str, frozenset[int]] = {}  # numbers by session that is not over

    def subject_of(self, fact: Fact) -> str:
        """See `Aggregate`."""
        return self.subject

    # --- decide ---------------------------------------------------------------------------------------------------

    def decide(self, command: Command, asked: Asked) -> Outcome:
        """See `Aggregate`.

        Raises:
            InvalidInput: a field that cannot be, by its name.
            Conflict: it is there already, or a session trades it.
            LimitReached: `INSTRUMENTS_MAX`.
            Unknown: no such instrument, or no more.
        """
        match command:
            case CreateInstrument():
                return self._create(command)
            case ChangeInstrument():
                return self._change(command)
            case RemoveInstrument():
                return self._remove(command)
            case _:
                raise Bug(f"{type(command).__name__} is no command of instruments.")

    def find(self, number: int) -> InstrumentRegistered:
        """One that is there. Raises Unknown."""
        if not 0 < number <= len(self.catalogue.instruments) or number in self.catalogue.removed:
            raise Unknown(f"Instrument not found: {number}.", field="id")
        return self.catalogue.instruments[number - 1]

    def _create(self, command: CreateInstrument) -> Outcome:
        check_place(command.symbol, command.venue)
        check_details(command.details)
        there = self.catalogue.at(command.symbol, command.venue)
        if there is not None and there.number not in self.catalogue.removed:
            raise exists(there)
        number = there.number if there else len(self.catalogue.instruments) + 1
        if number > INSTRUMENTS_MAX:
            raise LimitReached(f"{INSTRUMENTS_MAX} instruments have numbers (INSTRUMENTS_MAX).")
        details = msgspec.structs.asdict(command.details)
        fact = InstrumentRegistered(
            number=number, symbol=command.symbol, venue=command.venue, user=command.user, **details
        )
        return Outcome(str(number), (fact,))

    def _change(self, command: ChangeInstrument) -> Outcome:
        before = details_of(self.find(command.number))
        details = changed(before, command.changes)
        check_details(details)
        if details == before:
            return Outcome(str(command.number))
        fact = InstrumentChanged(number=command.number, details=details, user=command.user)
        return Outcome(str(command.number), (fact,))

    def _remove(self, command: RemoveInstrument) -> Outcome:
        found = self.find(command.number)
        trading = [session for session, numbers in self.trading.items() if found.number in numbers]
        if trading:
            more = f" and {len(trading) - NAMED_MAX} more" if len(trading) > NAMED_MAX else ""
            raise Conflict(
                f"{found.symbol} of {found.venue} is in use by {', '.join(trading[:NAMED_MAX])}{more}.",
                code="INSTRUMENT_TRADED",
                field="id",
                hint="Stop these sessions first.",
            )
        return Outcome(str(found.number), (InstrumentRemoved(number=found.number, user=command.user),))

    # --- memory ---------------------------------------------------------------------------------------------------

    def known(self) -> bytes:
        """See `Remembered`."""
        return msgspec.json.encode({session: sorted(numbers) for session, numbers in self.trading.items()})

    def restore(self, known: bytes) -> None:
        """See `Remembered`."""
        self.trading = msgspec.json.decode(known, type=dict[str, frozenset[int]])

    # --- evolve ---------------------------------------------------------------------------------------------------

    def evolve(self, fact: Fact, sequence: int, at_ns: int) -> None:
        """See `Aggregate`."""
        match fact:
            case SessionStarted(spec=spec):
                self.trading[spec.session] = frozenset(one.number for one in spec.instruments)
            case SessionEnded(session=session) | SessionFailed(session=session):
                self.trading.pop(session, None)
            case _:
                self.catalogue.evolve(fact, sequence)


def exists(there: InstrumentRegistered) -> Conflict:
    """Why a place cannot be taken again."""
    return Conflict(
        f"{there.symbol} of {there.venue} is instrument {there.number} already.",
        code="INSTRUMENT_EXISTS",
        field="symbol",
    )


# --- details ------------------------------------------------------------------------------------------------------


def details_of(instrument: InstrumentRegistered) -> InstrumentDetails:
    """What is known of an instrument beside its symbol and venue."""
    return InstrumentDetails(**{name: getattr(instrument, name) for name in InstrumentDetails.__struct_fields__})


def changed(details: InstrumentDetails, changes: InstrumentChanges) -> InstrumentDetails:
    """Details with changes."""
    given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not None}
    return msgspec.structs.replace(details, **given)


def check_place(symbol: str, venue: str) -> None:
    """Whether a symbol and a venue can be. Raises InvalidInput with the contract's name of the field."""
    if not SYMBOL.fullmatch(symbol):
        raise InvalidInput("symbol must be 1 to 64 characters of A-Z a-z 0-9 . _ : / ^ = + -.", field="symbol")
    if not VENUE.fullmatch(venue):
        raise InvalidInput("exchange must be 1 to 64 characters of A-Z a-z 0-9 . _ - and blanks.", field="exchange")


def check_details(details: InstrumentDetails) -> None:
    """Whether details can be. Raises InvalidInput with the contract's name of the field."""
    if details.asset_type not in ASSET_TYPES:
        raise InvalidInput(
            f"type is {details.asset_type[:40]!r}; it must be among {', '.join(ASSET_TYPES)}.", field="type"
        )
    if len(details.name) > NAME_MAX or not details.name.isprintable():
        raise InvalidInput(f"name must be at most {NAME_MAX} printable characters.", field="name")
    for field, pattern in _TEXTS:
        if not pattern.fullmatch(getattr(details, field)):
            raise InvalidInput(f"{field} is too long or has characters that it cannot have.", field=field)
    for field, least, most in _BOUNDS:
        value = getattr(details, field)
        if not (math.isfinite(value) and least <= value <= most):
            raise InvalidInput(f"{field} is {value:g}; it must be from {least:g} to {most:g}.", field=field)
