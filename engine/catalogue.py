"""The instrument catalogue: every instrument has one number for ever, given in order of registration."""

from __future__ import annotations

import hashlib
import re

import msgspec

from events import codec, subjects
from events.errors import Conflict, FenceLost, InvalidInput, Unknown
from events.facts import Fact, InstrumentRegistered, InstrumentTerms
from events.facts.catalogue import InstrumentChanged, InstrumentRemoved
from events.tape import Append, Tape

REGISTER_TRIES_MAX = 10
SYMBOL = re.compile(r"[A-Za-z0-9^][A-Za-z0-9._:/^=+-]{0,63}")
VENUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")
SYMBOL_RULE = "1 to 64 of A-Z a-z 0-9 . _ : / ^ = + -, the first a letter or digit"
VENUE_RULE = "1 to 64 of A-Z a-z 0-9 . _ - and spaces, the first a letter or digit"


class InstrumentForm(msgspec.Struct, frozen=True, kw_only=True):
    """What a source knows of an instrument before it has a number. Steps of 0 mean: not known."""

    symbol: str
    venue: str
    asset_type: str = "crypto"
    base: str = ""
    quote: str = ""
    price_step: float = 0.0
    quantity_step: float = 0.0
    notional_min: float = 0.0
    maker_fee_ratio: float = 0.001
    taker_fee_ratio: float = 0.001
    name: str = ""


class Catalogue:
    """Fold of the facts of instruments. One that was removed keeps its number and its place."""

    def __init__(self) -> None:
        self.instruments: list[InstrumentRegistered] = []
        self.removed: set[int] = set()
        self._by_key: dict[tuple[str, str], int] = {}
        self._by_symbol: dict[str, list[int]] = {}
        self.last = 0

    def evolve(self, fact: Fact, sequence: int) -> None:
        """One more fact; those of others change nothing."""
        match fact:
            case InstrumentRegistered():
                self._register(fact)
            case InstrumentChanged(number=number, details=details) if self._has(number):
                changes = msgspec.structs.asdict(details)
                self.instruments[number - 1] = msgspec.structs.replace(self.instruments[number - 1], **changes)
            case InstrumentRemoved(number=number):
                self.removed.add(number)
            case _:
                pass
        self.last = sequence

    def _register(self, fact: InstrumentRegistered) -> None:
        if self._has(fact.number):
            self.instruments[fact.number - 1] = fact
            self.removed.discard(fact.number)
            return
        self.instruments.append(fact)
        self._by_key[fact.symbol, fact.venue] = fact.number
        self._by_symbol.setdefault(fact.symbol, []).append(fact.number)

    def _has(self, number: int) -> bool:
        return 0 < number <= len(self.instruments)

    def at(self, symbol: str, venue: str) -> InstrumentRegistered | None:
        """The instrument of a symbol and venue, also one that was removed."""
        number = self._by_key.get((symbol, venue))
        return None if number is None else self.instruments[number - 1]

    def find(self, symbol: str, venue: str = "") -> InstrumentRegistered:
        """The instrument of a symbol; the venue may be left out where only one has the symbol.

        Raises:
            Unknown: no such instrument, or no more.
            InvalidInput: several venues have it and none was named.
        """
        numbers = [number for number in self._by_symbol.get(symbol, []) if number not in self.removed]
        found = [one for one in (self.instruments[number - 1] for number in numbers) if venue in ("", one.venue)]
        if not found:
            known = ", ".join(sorted(self._by_symbol)[:8]) or "none yet"
            raise Unknown(f"There is no instrument {symbol!r}. Known: {known}.", field="symbols")
        if len(found) > 1:
            venues = ", ".join(one.venue for one in found)
            raise InvalidInput(f"{symbol} is traded at {venues}; name one as SYMBOL@VENUE.", field="symbols")
        return found[0]

    def tradable(self, number: int) -> InstrumentRegistered:
        """The instrument of a number, for a new session. Raises Unknown; Conflict: it was removed."""
        found = self.number(number)
        if number in self.removed:
            raise Conflict(
                f"{found.symbol} of {found.venue} was removed; no new session trades it.",
                code="INSTRUMENT_REMOVED",
                field="symbols",
                hint="Create it again: it comes back under its number.",
            )
        return found

    def number(self, number: int) -> InstrumentRegistered:
        """The instrument of a number. Raises Unknown."""
        if not self._has(number):
            raise Unknown(f"There is no instrument number {number}.", field="instrument")
        return self.instruments[number - 1]

    def missing(self, forms: list[InstrumentForm], source: str = "") -> list[InstrumentRegistered]:
        """Facts that would give numbers to the forms that have none, in the order of the forms."""
        fresh: dict[tuple[str, str], InstrumentRegistered] = {}
        for form in forms:
            key = (form.symbol, form.venue)
            if key not in self._by_key and key not in fresh:
                fields = msgspec.structs.asdict(form)
                number = len(self.instruments) + len(fresh) + 1
                fresh[key] = InstrumentRegistered(number=number, primary_source=source, **fields)
        return list(fresh.values())

    def numbers(self, forms: list[InstrumentForm]) -> list[int]:
        """Their numbers; every form must be registered."""
        return [self._by_key[form.symbol, form.venue] for form in forms]


async def load(tape: Tape, catalogue: Catalogue | None = None) -> Catalogue:
    """The catalogue as of now; what was folded before is kept."""
    catalogue = catalogue or Catalogue()
    async for message in tape.read(catalogue.last + 1, subjects=(subjects.CATALOGUE,)):
        fact = codec.decode(message.body, message.sequence)
        assert isinstance(fact, Fact), "facts and answers alone stand on the subject"
        catalogue.evolve(fact, message.sequence)
    return catalogue


async def register(tape: Tape, forms: list[InstrumentForm], source: str = "") -> tuple[Catalogue, list[int]]:
    """Numbers of instruments, registering those that have none. Any number of processes may do so at once.

    `source` is the primary one of those that it registers; an import, whose rows end, is nobody's.
    More than a batch of the tape holds are registered in parts; whoever goes on after a part asks again.
    """
    catalogue = await load(tape)
    tries = 0
    while facts := catalogue.missing(forms, source):
        part = facts[: tape.limits.batch_messages_max]
        try:
            await tape.append_atomic(_appends(part, catalogue.last))
        except FenceLost as lost:  # somebody else registered: look again
            tries += 1
            if tries >= REGISTER_TRIES_MAX:
                message = "The catalogue kept changing while instruments were registered."
                raise FenceLost(message, expected=catalogue.last, actual=lost.actual) from None
        catalogue = await load(tape, catalogue)
    return catalogue, catalogue.numbers(forms)


def _appends(facts: list[InstrumentRegistered], last: int) -> list[Append]:
    return [
        codec.to_append(
            fact,
            subjects.CATALOGUE,
            f"instrument:{fact.number}:{_name_hash(fact)}",
            expected=last if at == 0 else None,
            fence=subjects.CATALOGUE if at == 0 else None,
        )
        for at, fact in enumerate(facts)
    ]


def _name_hash(fact: InstrumentRegistered) -> str:
    """An id may hold fewer signs than a name."""
    return hashlib.blake2b(f"{fact.symbol}@{fact.venue}".encode(), digest_size=12).hexdigest()


def terms(instrument: InstrumentRegistered) -> InstrumentTerms:
    """What a session keeps of an instrument."""
    return InstrumentTerms(
        number=instrument.number,
        symbol=instrument.symbol,
        quote=instrument.quote,
        price_step=instrument.price_step,
        quantity_step=instrument.quantity_step,
        notional_min=instrument.notional_min,
        maker_fee_ratio=instrument.maker_fee_ratio,
        taker_fee_ratio=instrument.taker_fee_ratio,
        asset_type=instrument.asset_type,
    )
