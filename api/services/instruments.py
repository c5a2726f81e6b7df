"""Instruments by hand: what is wrong is said before anything is appended, as far as it can be known by then."""

from __future__ import annotations

import msgspec

from api.house import House
from api.reading.reader import Moment
from api.services.acting import Done, act
from engine.aggregates.instruments import ASSET_TYPES, changed, check_details, check_place, exists
from engine.feeds.asset_types import asset_type_of, usual_fee_ratio
from engine.feeds.symbols import pair_of
from events.errors import InvalidInput, Unknown
from events.facts.catalogue import (
    ChangeInstrument,
    CreateInstrument,
    InstrumentChanges,
    InstrumentDetails,
    RemoveInstrument,
)
from projections.duckdb.store import Snapshot
from projections.read_models.instruments import InstrumentRow, instrument

# words of the contracts -> the catalogue's
KNOWN_AS = {"stock": "equity", "stocks": "equity", "indices": "index", "fx": "forex", "futures": "future"}
NUMBER_MAX = 2**31 - 1


async def create(house: House, user: str, key: str | None, place: tuple[str, str], given: InstrumentChanges) -> Done:
    """Register an instrument of (symbol, venue); what is not given is read from the symbol.

    Raises:
        InvalidInput: with its field; nothing was appended.
        Conflict, LimitReached: see the aggregate.
    """
    symbol, venue = place
    check_place(symbol, venue)
    details = changed(_read_from(symbol, given.asset_type), _known(given))
    check_details(details)
    if key is None:
        await _check_free(house, symbol, venue)
    return await act(
        house,
        user,
        key,
        lambda made: CreateInstrument(key=made, user=user, symbol=symbol, venue=venue, details=details),
    )


async def change(house: House, user: str, key: str | None, row: InstrumentRow, given: InstrumentChanges) -> Done:
    """Change one. Raises as `create`, and Unknown: it was removed."""
    _check_there(row, key)
    changes = _known(given)
    check_details(changed(_details(row), changes))
    return await act(
        house, user, key, lambda made: ChangeInstrument(key=made, user=user, number=row.number, changes=changes)
    )


async def remove(house: House, user: str, key: str | None, row: InstrumentRow) -> Done:
    """Remove one. Raises Conflict: a session has it in use; Unknown: it was removed."""
    _check_there(row, key)
    return await act(house, user, key, lambda made: RemoveInstrument(key=made, user=user, number=row.number))


# Without a key of the client's a command repeats nothing: what it would be refused for is said before it is appended.


def _check_there(row: InstrumentRow, key: str | None) -> None:
    """Raises Unknown: it was removed."""
    if key is None and row.state == "removed":
        raise Unknown(f"Instrument not found: {row.number}. It was removed.", field="id")


async def _check_free(house: House, symbol: str, venue: str) -> None:
    """Whether a place is free, as far as is known by now. Raises Conflict."""
    await house.lookups.current(house.tape)
    catalogue = house.lookups.catalogue
    there = catalogue.at(symbol, venue)
    if there is not None and there.number not in catalogue.removed:
        raise exists(there)


async def known(house: House, text: str) -> InstrumentRow:
    """The instrument of an id, also one that was removed; one registered just now is waited for. Raises Unknown."""
    number = number_in(text)
    try:
        return await _find(house, number)
    except Unknown:
        await house.reader.wait_until((await house.tape.info()).last)
        return await _find(house, number)


async def as_told(house: House, done: Done) -> InstrumentRow:
    """One as a command left it, read back. Raises ReadModelUnavailable."""
    await house.reader.wait_until(done.sequence)
    return await _find(house, int(done.id))


def number_in(text: str) -> int:
    """The number that an id is. Raises Unknown."""
    if text.isascii() and text.isdecimal() and len(text) <= len(str(NUMBER_MAX)) and int(text) <= NUMBER_MAX:
        return int(text)
    raise Unknown(f"Instrument not found: {text[:80]!r}.", field="id")


async def _find(house: House, number: int) -> InstrumentRow:
    return (await house.reader.run(lambda snapshot: row_of(snapshot, number), Moment())).value


def row_of(snapshot: Snapshot, number: int) -> InstrumentRow:
    """The instrument of an id. Raises Unknown."""
    try:
        return instrument(snapshot, number)
    except Unknown as error:
        raise error.at("id") from None


def _known(given: InstrumentChanges) -> InstrumentChanges:
    word = given.asset_type
    return given if word is None else msgspec.structs.replace(given, asset_type=_asset_type(word))


def _asset_type(word: str) -> str:
    return KNOWN_AS.get(word.lower(), word.lower())


def _read_from(symbol: str, given: str | None) -> InstrumentDetails:
    """What a symbol says by itself. Raises InvalidInput: not what it is, and nobody says so."""
    asset_type = asset_type_of(symbol) if given is None else _asset_type(given)
    if not asset_type:
        raise InvalidInput(f"{symbol} does not say what it is; name its type: {', '.join(ASSET_TYPES)}.", field="type")
    pair = pair_of(symbol, asset_type)
    fee = usual_fee_ratio(asset_type, pair.base)
    return InstrumentDetails(
        asset_type=asset_type, base=pair.base, quote=pair.quote, maker_fee_ratio=fee, taker_fee_ratio=fee
    )


def _details(row: InstrumentRow) -> InstrumentDetails:
    return InstrumentDetails(**{name: getattr(row, name) for name in InstrumentDetails.__struct_fields__})
