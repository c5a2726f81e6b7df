"""Which instruments a session means by its symbols: those that its recording or source has, whoever else has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from engine.catalogue import Catalogue
from engine.recordings.shelf import Recording
from events.errors import InvalidInput
from events.facts import InstrumentRegistered, InstrumentTerms
from events.symbols import CLOSENESS, spelled


class Offer(NamedTuple):
    """What one recording or source has."""

    name: str  # in errors
    symbols: tuple[str, ...]
    numbers: Mapping[str, int]  # of their instruments, where they are known
    recorded: bool = False

    def plain(self, text: str, catalogue: Catalogue, field: str = "symbols") -> str:
        """The symbol that it has of SYMBOL or SYMBOL@VENUE; where it has none of that venue, the text.

        Raises:
            InvalidInput: one may be several of its own.
        """
        found = spelled(text, self.symbols, field)
        return found.partition("@")[0] if _has(found, self, catalogue) else found

    def spelled(self, wanted: tuple[str, ...], far: int = len(CLOSENESS)) -> tuple[str, ...]:
        """Symbols as it has them, see `spelled`. Raises InvalidInput: one may be several of its own."""
        return tuple(spelled(text, self.symbols, "symbols", far) for text in wanted)


class Sources(msgspec.Struct, frozen=True):
    """Sources that can be tailed: id -> symbols, and id -> numbers of instruments by symbol, where they are known."""

    symbols: dict[str, tuple[str, ...]]
    numbers: Mapping[str, Mapping[str, int]] = {}

    def offer(self, source: str) -> Offer:
        """What a source has."""
        return Offer(f"Source {source}", self.symbols[source], self.numbers.get(source, {}))

    def with_symbols(self, wanted: tuple[str, ...], catalogue: Catalogue) -> str | None:
        """The first source that has them all, as they are written, else but for case, else by their letters.

        Raises:
            InvalidInput: a source has several of the same letters.
        """
        offers = {source: self.offer(source) for source in self.symbols}
        for far in range(1, len(CLOSENESS) + 1):
            for source, offer in offers.items():
                if all(_has(text, offer, catalogue) for text in offer.spelled(wanted, far)):
                    return source
        return None


def offer_of(recording: Recording) -> Offer:
    """What a recording has."""
    opened = recording.opened
    numbers: dict[str, int] = {}
    for symbol, number in zip(opened.symbols, opened.instruments, strict=True):
        numbers.setdefault(symbol, number)
    return Offer(f"Recording {recording.id}", opened.symbols, numbers, recorded=True)


def offer_of_terms(name: str, instruments: tuple[InstrumentTerms, ...]) -> Offer:
    """What a session has."""
    return Offer(name, tuple(one.symbol for one in instruments), {one.symbol: one.number for one in instruments})


def chosen(wanted: tuple[str, ...], offer: Offer, catalogue: Catalogue) -> tuple[InstrumentRegistered, ...]:
    """The instruments of SYMBOL or SYMBOL@VENUE, all that are offered where none is named.

    Raises:
        InvalidInput: one is not offered, may be several that are, or is named twice.
        Unknown: it is registered no more. Conflict: the same, of a recording.
    """
    found = tuple(_one(text, offer, catalogue) for text in offer.spelled(wanted) or offer.symbols)
    if len({one.symbol for one in found}) < len(wanted):
        raise InvalidInput("A symbol is named twice.", field="symbols")
    return found


def _one(text: str, offer: Offer, catalogue: Catalogue) -> InstrumentRegistered:
    symbol, _, venue = text.partition("@")
    if not _has(text, offer, catalogue):
        listed = ", ".join(_shown(one, offer, catalogue, venue=bool(venue)) for one in offer.symbols)
        raise InvalidInput(f"{offer.name} has no {text}; it has {listed}.", field="symbols")
    number = offer.numbers.get(symbol)
    if number is None:
        return catalogue.find(symbol, venue)
    return catalogue.tradable(number) if offer.recorded else catalogue.find(symbol, catalogue.number(number).venue)


def _has(text: str, offer: Offer, catalogue: Catalogue) -> bool:
    symbol, _, venue = text.partition("@")
    number = offer.numbers.get(symbol)
    return symbol in offer.symbols and (not venue or number is None or catalogue.number(number).venue == venue)


def _shown(symbol: str, offer: Offer, catalogue: Catalogue, *, venue: bool) -> str:
    number = offer.numbers.get(symbol) if venue else None
    return symbol if number is None else f"{symbol}@{catalogue.number(number).venue}"
