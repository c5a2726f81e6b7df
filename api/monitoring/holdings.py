"""Contract 003: holdings, for tools that ask in that shape; those of all running sessions."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from msgspec import Meta

from api.access import caller_of
from api.house import House
from api.reading.reader import Moment, answered
from api.reading.wording import instant
from api.services.portfolio import Holding, holdings_of
from projections.read_models.portfolio import usual


class LoginState(msgspec.Struct, frozen=True):
    """Who asks. Nobody is logged in by a GET."""

    authenticated: bool
    user: Annotated[str, Meta(description="empty without a token")]
    role: str
    login: Annotated[str, Meta(description="where a user name and a password are exchanged for a token")]
    message: str


class HoldingRow(msgspec.Struct, frozen=True):
    """What one session holds of a symbol. Quantity in base units, below 0 for a short one; money in `currency`."""

    symbol: str
    quantity: float
    average_price: float
    last_price: Annotated[float, Meta(description="the newest that its session has read, or that its source has")]
    value: Annotated[float, Meta(description="quantity at the last price")]
    pnl: Annotated[float, Meta(description="before fees")]
    session_id: str
    strategy: str
    currency: Annotated[str, Meta(description="the instrument's quote currency")]
    price_time: Annotated[str | None, Meta(description="of `last_price`, event time")]
    reason: Annotated[str | None, Meta(description="why `last_price` is older than it could be; else null")]


class CurrencyTotal(msgspec.Struct, frozen=True):
    """All holdings of one quote currency."""

    currency: str
    total_value: float
    total_pnl: float


class Holdings(msgspec.Struct, frozen=True):
    """All holdings. Different currencies are never added up: the totals are of `currency`, `totals` has each."""

    holdings: list[HoldingRow]
    currency: Annotated[str, Meta(description="that of most holdings; empty without one")]
    total_value: float
    total_pnl: float
    totals: list[CurrencyTotal]


@get("/mcp/login", opt={"public": True})
async def login(request: Request[Any, Any, Any]) -> LoginState:
    """Who the request's token belongs to, and where to get one. Holdings need none on loopback."""
    identity = caller_of(request).identity
    where = "/api/auth/login"
    if identity is None:
        return LoginState(False, "", "", where, "No valid token: POST username and password there, then send it.")
    return LoginState(True, identity.user, identity.role.value, where, f"You are {identity.user}.")


@get("/mcp/get_holdings")
async def get_holdings(house: NamedDependency[House], at: NamedDependency[Moment]) -> Response[Holdings]:
    """What the running paper and live sessions hold, each at the newest prices it has read."""
    found = await holdings_of(house, at)
    rows = [_row(one) for one in found.holdings]
    chosen = usual(row.currency for row in rows)
    totals = [_total(name, rows) for name in dict.fromkeys([chosen, *(row.currency for row in rows)])]
    body = Holdings(rows, chosen, totals[0].total_value, totals[0].total_pnl, totals if rows else [])
    return answered(body, found.sequence, found.epoch)


def _row(one: Holding) -> HoldingRow:
    return HoldingRow(
        symbol=one.held.symbol,
        quantity=one.held.quantity,
        average_price=one.held.entry_price,
        last_price=one.price.value,
        value=one.value,
        pnl=one.pnl,
        session_id=one.session,
        strategy=one.held.strategy,
        currency=one.currency,
        price_time=instant(one.price.ts_event_ns),
        reason=one.price.reason,
    )


def _total(currency: str, rows: list[HoldingRow]) -> CurrencyTotal:
    mine = [row for row in rows if row.currency == currency]
    return CurrencyTotal(currency, sum(row.value for row in mine), sum(row.pnl for row in mine))


HANDLERS = [login, get_holdings]
