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
from api.services.portfolio import holdings_of


class LoginState(msgspec.Struct, frozen=True):
    """Who asks. Nobody is logged in by a GET."""

    authenticated: bool
    user: Annotated[str, Meta(description="empty without a token")]
    role: str
    login: Annotated[str, Meta(description="where a user name and a password are exchanged for a token")]
    message: str


class HoldingRow(msgspec.Struct, frozen=True):
    """What one session holds of a symbol. Quantity in base units, below 0 for a short one; money in quote currency."""

    symbol: str
    quantity: float
    average_price: float
    last_price: float
    value: Annotated[float, Meta(description="quantity at the last price")]
    pnl: Annotated[float, Meta(description="before fees")]
    session_id: str
    strategy: str


class Holdings(msgspec.Struct, frozen=True):
    """All holdings."""

    holdings: list[HoldingRow]
    total_value: float
    total_pnl: float


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
    """What the running paper and live sessions hold, at the newest prices of their sources."""
    found = await holdings_of(house, at)
    rows = [
        HoldingRow(
            symbol=one.held.symbol,
            quantity=one.held.quantity,
            average_price=one.held.entry_price,
            last_price=one.price,
            value=one.held.quantity * one.price,
            pnl=one.pnl,
            session_id=one.session,
            strategy=one.held.strategy,
        )
        for one in found.holdings
    ]
    body = Holdings(rows, sum(row.value for row in rows), sum(row.pnl for row in rows))
    return answered(body, found.sequence, found.epoch)


HANDLERS = [login, get_holdings]
