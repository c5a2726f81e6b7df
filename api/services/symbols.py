"""Symbols: which there are of an asset type, and which instrument a user means by one."""

from __future__ import annotations

from collections.abc import Collection

from api.house import House
from api.reading.reader import Moment
from api.services.market_sources import newest_recordings
from engine.feeds.asset_types import asset_type_of
from events.errors import InvalidInput, Unknown
from events.symbols import SHOWN_CHARACTERS, SHOWN_MAX, closest, letters_of, spelled_of
from projections.duckdb.store import Snapshot
from projections.read_models.answers import Named, Page
from projections.read_models.instruments import InstrumentFilter, InstrumentRow, every, instruments
from projections.read_models.sessions import spec

# the catalogue's words -> the contract's
ASSET_TYPES = {"crypto": "crypto", "perpetual": "crypto", "forex": "forex", "index": "indices", "cfd": "indices"}
ASSET_TYPES |= {"equity": "stocks", "stock": "stocks", "etf": "stocks"}
VENUES_MAX = 16  # of one symbol, of which those that are meant are looked for
FUTURES_VENUES = frozenset({"CME", "CBOT", "NYMEX", "COMEX", "EUREX", "ICE"})  # elsewhere a future is of a coin


def symbols_of(snapshot: Snapshot, asset_type: str) -> list[str]:
    """Symbols of an asset type in the contract's words; `all` of them, each once."""
    names = [row.symbol for row in every(snapshot) if asset_type in ("all", asset_type_in_words(row))]
    return list(dict.fromkeys(names))


def asset_type_in_words(row: InstrumentRow) -> str:
    """The contract's word for what an instrument is, by the catalogue, else by its symbol; "other" where none fits."""
    if row.asset_type == "future":
        return "indices" if row.venue in FUTURES_VENUES else "crypto"
    return ASSET_TYPES.get(row.asset_type) or ASSET_TYPES.get(asset_type_of(row.symbol), "other")


def meant(snapshot: Snapshot, text: str) -> list[InstrumentRow]:
    """The instruments of SYMBOL or SYMBOL@VENUE, one a venue: of that very symbol, else of the `closest` one.

    Of several that are as close it is the only one of which anything is recorded.

    Raises:
        Unknown: none; the message says which there are.
        InvalidInput: several symbols, by name; or of more than `VENUES_MAX` venues.
    """
    symbol, _, venue = text.partition("@")
    there = instruments(snapshot, InstrumentFilter(venue=venue or None, letters=letters_of(symbol))).rows
    names = closest(symbol, [row.symbol for row in there])
    found = [row for row in there if row.symbol in names]
    if not found:
        raise _unknown(snapshot, text)
    if len(names) > 1:
        names = list({row.symbol for row in found if _is_recorded(snapshot, row)}) or names
    mine = [row for row in found if row.symbol in names]
    if len(names) > 1 or len(mine) > VENUES_MAX:
        listed = ", ".join(f"{row.symbol}@{row.venue}" for row in found[:SHOWN_MAX])
        raise InvalidInput(
            f"{symbol[:SHOWN_CHARACTERS]} is more than one instrument: name one of {listed}.", field="symbol"
        )
    return mine


async def registered(house: House, text: str, own: Collection[str] = ()) -> Named:
    """SYMBOL or SYMBOL@VENUE of a command as it is registered now; `own`: of the session it is for, see `spelled_of`.

    Raises:
        InvalidInput: it may be several symbols. Unknown: the venue has none.
    """
    await house.lookups.current(house.tape)
    catalogue = house.lookups.catalogue
    known = [(one.symbol, one.venue) for one in catalogue.instruments if one.number not in catalogue.removed]
    symbol, parted, venue = spelled_of(text, known, own).partition("@")
    if not parted:
        return Named(symbol)
    found = catalogue.at(symbol, venue)
    if found is None:
        venues = ", ".join(one.venue for one in catalogue.instruments if one.symbol == symbol) or "none"
        raise Unknown(f"There is no {text[:SHOWN_CHARACTERS]!r}. Venues that have it: {venues}.", field="symbol")
    return Named(symbol, found.number)


async def traded(house: House, session: str, text: str) -> str:
    """The symbol of a command to a session, first of its own; that it trades the instrument is checked where a venue is
    named.

    Raises:
        InvalidInput, Unknown: see `registered`; or its instrument is another venue's.
    """
    terms = (await house.reader.run(lambda snapshot: spec(snapshot, session), Moment())).value.instruments
    one = await registered(house, text, [each.symbol for each in terms])
    if one.number is not None and one.number not in [each.number for each in terms]:
        raise Unknown(f"Session {session} does not trade {text[:SHOWN_CHARACTERS]}.", field="symbol")
    return one.symbol


def _is_recorded(snapshot: Snapshot, row: InstrumentRow) -> bool:
    return any(row.number in one.instruments for one in newest_recordings(snapshot, row.symbol))


def _unknown(snapshot: Snapshot, text: str) -> Unknown:
    """The error that names what there is, first what is of the kind that the symbol looks like."""
    kind = ASSET_TYPES.get(asset_type_of(text.partition("@")[0]), "")
    alike = symbols_of(snapshot, kind)[:SHOWN_MAX] if kind else []
    known = [row.symbol for row in instruments(snapshot, page=Page(limit=SHOWN_MAX)).rows]
    listed = ", ".join(dict.fromkeys([*alike, *known][:SHOWN_MAX])) or "none yet"
    looks = f", which looks like {kind}" if kind else ""
    return Unknown(f"There is no symbol {text[:SHOWN_CHARACTERS]!r}{looks}. Known: {listed}.", field="symbol")
