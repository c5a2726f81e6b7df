"""Login, refresh and status (contract 004 names the paths; contract 000 needs the tokens)."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from api.access import caller_of
from api.auth.refreshing import Use, use_refresh_token
from api.auth.tokens import Identity
from api.auth.users import User
from api.house import House
from events.errors import Unauthenticated

LOGIN, REFRESH, LOGOUT = "POST /api/auth/login", "POST /api/auth/refresh", "POST /api/auth/logout"
REFUSED = {
    Use.AT_ONCE: ("TOKEN_USED", "This refresh token was used before; each gives one pair. Log in again."),
    Use.REUSED: (
        "TOKEN_USED",
        "This refresh token was used before; each gives one pair. Its login has ended; log in again.",
    ),
    Use.ENDED: (
        "TOKEN_REVOKED",
        "A used refresh token of this login came again, so it has ended; log in again.",
    ),
}


class Credentials(msgspec.Struct, forbid_unknown_fields=True):
    """Name and password."""

    username: Annotated[str, Meta(min_length=1, max_length=64)]
    password: Annotated[str, Meta(min_length=1, max_length=256)]


class Refresh(msgspec.Struct, forbid_unknown_fields=True):
    """A refresh token."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=4096)]


class TokenPair(msgspec.Struct):
    """Tokens of a user; `csrf_token` goes into X-CSRF-Token where a route asks for it."""

    access_token: str
    refresh_token: str
    csrf_token: str
    expires_in: int  # seconds
    user: str
    role: str
    token_type: str = "Bearer"


class LoggedOut(msgspec.Struct):
    """The refresh token is good for nothing more."""

    status: str = "logged_out"


class AuthStatus(msgspec.Struct):
    """Who the request comes from."""

    authenticated: bool
    user: str | None = None
    role: str | None = None
    csrf_token: str | None = None


def _pair(house: House, user: User, family: str) -> TokenPair:
    seconds = house.settings.api.token_minutes * 60
    access = house.tokens.give(user, "access", seconds)
    refresh = house.tokens.give(user, "refresh", house.settings.api.refresh_hours * 3600, family)
    csrf = house.tokens.csrf(house.tokens.check(access, "access", house.users))
    return TokenPair(access, refresh, csrf, seconds, user.name, user.role.value)


@post("/api/auth/login", status_code=200, opt={"public": True})
async def login(
    data: JSONBody[Credentials], request: Request[Any, Any, Any], house: NamedDependency[House]
) -> TokenPair:
    """Tokens for a name and a password.

    Tries are limited by address, wrong passwords by name too, whatever address they come from. The second bound is
    beyond what one address can try, so that nobody locks another out alone.
    """
    await house.counters.use(house.limits.login, caller_of(request).address)
    await house.counters.use(house.limits.name, data.username)  # of nobody's name too: a 429 tells of no user
    name = data.username if house.users.find(data.username) else ""  # what else is typed there may be a password
    try:
        user = await asyncio.to_thread(house.users.check, data.username, data.password)
    except Unauthenticated:
        house.auditing.note("login_refused", name, LOGIN, caller_of(request).address, 401)
        raise
    house.counters.give_back(house.limits.name, data.username)
    house.auditing.note("login", name, LOGIN, caller_of(request).address, 200)
    return _pair(house, user, house.clock.new_id())


@post("/api/auth/refresh", status_code=200, opt={"public": True})
async def refresh(data: JSONBody[Refresh], request: Request[Any, Any, Any], house: NamedDependency[House]) -> TokenPair:
    """A new pair for a refresh token, which is used up by that: given again it is refused, and its login ends."""
    identity = await _used_up(house, data.refresh_token, REFRESH, caller_of(request).address)
    user = house.users.find(identity.user)
    if user is None:
        raise Unauthenticated("The token is no longer valid; log in again.", code="BAD_TOKEN")
    return _pair(house, user, identity.family)


@post("/api/auth/logout", status_code=200, opt={"public": True})
async def logout(data: JSONBody[Refresh], request: Request[Any, Any, Any], house: NamedDependency[House]) -> LoggedOut:
    """Use a refresh token up, so that no new pair comes of it. Its access token lives on until it expires."""
    await _used_up(house, data.refresh_token, LOGOUT, caller_of(request).address)
    return LoggedOut()


async def _used_up(house: House, token: str, what: str, address: str) -> Identity:
    """Whose refresh token it was. Raises Unauthenticated: it is none, was used before, or its family has ended."""
    identity = house.tokens.check(token, "refresh", house.users)
    use = await use_refresh_token(house.vault, house.users, identity, house.clock)
    if use is Use.REUSED:
        house.auditing.note("refresh_token_reused", identity.user, what, address, 401)
    if use is not Use.FIRST:
        code, message = REFUSED[use]
        raise Unauthenticated(message, code=code)
    return identity


@get("/api/auth/status", opt={"public": True})
async def status(request: Request[Any, Any, Any], house: NamedDependency[House]) -> AuthStatus:
    """Whether the request carries a good token, and whose."""
    identity = caller_of(request).identity
    if identity is None:
        return AuthStatus(False)
    return AuthStatus(True, identity.user, identity.role.value, house.tokens.csrf(identity))


HANDLERS = [login, refresh, logout, status]
