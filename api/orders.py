"""Orders by hand: submit one to a running session, cancel one or all."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, delete, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from api.access import user_of
from api.house import House
from api.reading.asking import TEXT_MAX, SessionId
from api.services.acting import Done, act, check_command
from api.services.denials import denial_message
from api.services.symbols import traded
from api.session_control import Key, done
from api.session_rows import OrderNumber
from api.sessions import CommandBody
from events.errors import InvalidInput, Unknown
from events.facts import CancelOrder, SubmitOrder

NUMBER_MAX = 1e15
ALL = 0  # the order number that means all of a session

# order kind -> prices it needs
PRICES: dict[str, tuple[str, ...]] = {
    "market": (),
    "limit": ("price",),
    "stop": ("stop_price",),
    "stop_limit": ("price", "stop_price"),
    "trailing": ("stop_price",),
}

Price = Annotated[float, Meta(ge=0, le=NUMBER_MAX)]


class OrderAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order. Prices in quote currency; of a trailing stop `stop_price` is its distance."""

    symbol: Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
    side: Literal["buy", "sell"]
    quantity: Annotated[float, Meta(gt=0, le=NUMBER_MAX, description="base units")]
    kind: Literal["market", "limit", "stop", "stop_limit", "trailing"] = "market"
    price: Price = 0.0
    stop_price: Price = 0.0
    time_in_force: Literal["GTC", "IOC", "FOK"] = "GTC"


class OrderFate(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order in the step that met it; under the same key the same, however late."""

    status: Annotated[
        Literal["placed", "denied", "accepted"],
        Meta(description="placed: it works, and fills on a later row; accepted: answered before this was told"),
    ]
    order: Annotated[int | None, Meta(description="number within the session; null unless placed")] = None
    code: Annotated[str | None, Meta(description="of the denial; null unless denied")] = None
    message: Annotated[str, Meta(description="why it was denied; empty unless denied")] = ""


class OrderBody(OrderFate, frozen=True, kw_only=True):
    """An order that its session met. `changed` is false where the key was given before."""

    session: str
    changed: bool


def fate_of(how: Done) -> dict[str, Any]:
    """Fields of `OrderFate`."""
    status = "denied" if how.denial else "placed" if how.order else "accepted"
    message = denial_message(how.denial, how.limit)
    return {"status": status, "order": how.order or None, "code": how.denial or None, "message": message}


@post("/api/sessions/{session:str}/orders", status_code=200, opt={"role": "trader"})
async def submit_order(
    session: SessionId,
    data: JSONBody[OrderAsked],
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    key: Key = None,
) -> Response[OrderBody]:
    """Submit an order to a running session: its number where it was placed, the code where it was denied."""
    check(data)
    await check_command(house, user_of(request), session)
    user, order = user_of(request).user, msgspec.structs.replace(data, symbol=await traded(house, session, data.symbol))
    how = await act(
        house,
        user,
        key,
        lambda made: SubmitOrder(key=made, user=user, session=session, **msgspec.structs.asdict(order)),
    )
    return done(OrderBody(session=session, changed=how.changed, **fate_of(how)), how, house)


@delete("/api/sessions/{session:str}/orders/{order_number:int}", status_code=200, opt={"role": "trader"})
async def cancel_order(
    session: SessionId,
    order_number: OrderNumber,
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    key: Key = None,
) -> Response[CommandBody]:
    """Cancel a working order."""
    try:
        return await _cancel(session, order_number, request, house, key)
    except Unknown as error:
        raise error.at("order_number" if error.field == "order" else error.field) from None


@delete("/api/sessions/{session:str}/orders", status_code=200, opt={"role": "trader"})
async def cancel_orders(
    session: SessionId, request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[CommandBody]:
    """Cancel all working orders of a session."""
    return await _cancel(session, ALL, request, house, key)


async def _cancel(
    session: str, order: int, request: Request[Any, Any, Any], house: House, key: str | None
) -> Response[CommandBody]:
    await check_command(house, user_of(request), session)
    user = user_of(request).user
    how = await act(house, user, key, lambda made: CancelOrder(key=made, user=user, session=session, order=order))
    return done(CommandBody(session, how.changed), how, house)


def check(order: OrderAsked) -> None:
    """A kind has the prices it needs and no other. Raises InvalidInput."""
    for name in ("price", "stop_price"):
        value, needed = getattr(order, name), name in PRICES[order.kind]
        if needed and value <= 0:
            raise InvalidInput(f"A {order.kind} order needs a {name} above 0.", field=name)
        if not needed and value > 0:
            raise InvalidInput(f"A {order.kind} order has no {name}.", field=name)


HANDLERS = [submit_order, cancel_order, cancel_orders]
