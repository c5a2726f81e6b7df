"""Contract 004: instruments."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta

from api.access import user_of
from api.house import House
from api.reading.asking import TEXT_MAX
from api.reading.reader import Moment
from api.reading.wording import instant_of
from api.services import instruments as work
from api.services.acting import Done
from api.session_control import Key, done
from events.errors import InvalidInput, Unknown
from events.facts.catalogue import InstrumentChanges
from projections.duckdb.store import Snapshot
from projections.read_models.answers import Page, named
from projections.read_models.instruments import InstrumentFilter, InstrumentRow, instruments

TRADER = {"role": "trader"}

InstrumentId = Annotated[str, PathParameter(description="number of an instrument", max_length=TEXT_MAX)]
Word = Annotated[str, Meta(max_length=TEXT_MAX)]
Step = Annotated[float, Meta(ge=0, le=1e9, description="0: not known")]
Fee = Annotated[float, Meta(ge=-0.1, le=1, description="share of one")]
Notional = Annotated[float, Meta(ge=0, le=1e15, description="of an order, quote currency; 0: none")]


class InstrumentItem(msgspec.Struct, frozen=True):
    """An instrument. Steps of 0 are not known; fees are shares of one."""

    id: int
    symbol: str
    name: str
    exchange: str
    type: Annotated[str, Meta(description="crypto, perpetual, future, forex, equity, etf, index or cfd")]
    base: str
    quote: str
    price_step: float
    quantity_step: float
    notional_min: float
    maker_fee_ratio: float
    taker_fee_ratio: float
    primary_source: Annotated[str, Meta(description="read where no source is named; empty: the newest that has it")]
    status: Annotated[str, Meta(description="active, or deleted in the answer to a deletion")]
    updated_at: str


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a body may say of an instrument."""

    name: Word | None = None
    type: Annotated[str, Meta(max_length=TEXT_MAX, description="also stocks and indices")] | None = None
    base: Word | None = None
    quote: Word | None = None
    price_step: Step | None = None
    quantity_step: Step | None = None
    notional_min: Notional | None = None
    maker_fee_ratio: Fee | None = None
    taker_fee_ratio: Fee | None = None
    primary_source: Word | None = None


class NewInstrument(Told, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An instrument to register. Type, base and quote are read from the symbol where they are left out."""

    symbol: Annotated[str, Meta(min_length=1, max_length=64)]
    exchange: Annotated[str, Meta(min_length=1, max_length=64)]


class ChangedInstrument(Told, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to change; what is left out stays. A whole item as it was read may be sent back."""

    id: int | None = None
    symbol: Word | None = None
    exchange: Word | None = None
    status: Annotated[str, Meta(max_length=TEXT_MAX, description="as read")] | None = None
    updated_at: Annotated[str, Meta(max_length=TEXT_MAX, description="as read")] | None = None


@get("/api/instruments")
async def list_instruments(
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    page: NamedDependency[Page],
    symbol: Annotated[str | None, QueryParameter(description="of this symbol", max_length=TEXT_MAX)] = None,
    exchange: Annotated[str | None, QueryParameter(description="of this exchange", max_length=TEXT_MAX)] = None,
) -> Response[list[InstrumentItem]]:
    """Instruments in the order in which they were registered."""

    def listed(snapshot: Snapshot) -> list[InstrumentItem]:
        one = None if symbol is None else named(snapshot, symbol)
        wanted = InstrumentFilter(symbol=one and one.symbol, number=one and one.number, venue=exchange)
        return [_item(row) for row in instruments(snapshot, wanted, page).rows]

    return await house.reader.one(listed, at)


@get("/api/instruments/{instrument_id:str}")
async def one_instrument(
    instrument_id: InstrumentId, house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[InstrumentItem]:
    """One instrument."""
    number = work.number_in(instrument_id)

    def found(snapshot: Snapshot) -> InstrumentItem:
        row = work.row_of(snapshot, number)
        if row.state == "removed":
            raise Unknown(f"Instrument not found: {number} was removed.", field="id")
        return _item(row)

    return await house.reader.one(found, at)


@post("/api/instruments", status_code=200, opt=TRADER)
async def create(
    data: JSONBody[NewInstrument], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[InstrumentItem]:
    """Register an instrument. One that was removed comes back under its id."""
    user = user_of(request).user
    return await _told(house, await work.create(house, user, key, (data.symbol, data.exchange), _changes(data)))


@put("/api/instruments/{instrument_id:str}", opt=TRADER)
async def change(
    instrument_id: InstrumentId,
    data: JSONBody[ChangedInstrument],
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    key: Key = None,
) -> Response[InstrumentItem]:
    """Change an instrument. Sessions that run keep the terms they started with."""
    row = await work.known(house, instrument_id)
    _check_same(data, row)
    return await _told(house, await work.change(house, user_of(request).user, key, row, _changes(data)))


@delete("/api/instruments/{instrument_id:str}", status_code=200, opt=TRADER)
async def remove(
    instrument_id: InstrumentId, request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[InstrumentItem]:
    """Remove an instrument: no new session trades it. Refused while one does."""
    row = await work.known(house, instrument_id)
    return await _told(house, await work.remove(house, user_of(request).user, key, row))


async def _told(house: House, how: Done) -> Response[InstrumentItem]:
    return done(_item(await work.as_told(house, how)), how, house)


def _changes(data: Told) -> InstrumentChanges:
    given = {name: getattr(data, name) for name in Told.__struct_fields__ if name != "type"}
    return InstrumentChanges(asset_type=data.type, **given)


def _check_same(data: ChangedInstrument, row: InstrumentRow) -> None:
    """An instrument is its symbol at its exchange: another is another instrument. Raises InvalidInput."""
    for field, there in (("id", row.number), ("symbol", row.symbol), ("exchange", row.venue), ("status", "active")):
        given = getattr(data, field)
        if given not in (None, there):
            raise InvalidInput(f"{field} is {there}; it is not changed here.", field=field)


def _item(row: InstrumentRow) -> InstrumentItem:
    return InstrumentItem(
        id=row.number,
        symbol=row.symbol,
        name=row.name or row.symbol.replace("_", "/"),
        exchange=row.venue,
        type=row.asset_type,
        base=row.base,
        quote=row.quote,
        price_step=row.price_step,
        quantity_step=row.quantity_step,
        notional_min=row.notional_min,
        maker_fee_ratio=row.maker_fee_ratio,
        taker_fee_ratio=row.taker_fee_ratio,
        primary_source=row.primary_source,
        status="deleted" if row.state == "removed" else "active",
        updated_at=instant_of(row.changed_ns),
    )


HANDLERS = [list_instruments, one_instrument, create, change, remove]
