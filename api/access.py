"""Access: who asks, what a route asks for, and what loopback does not protect from.

A route declares `opt={"role": "trader", "csrf": True}`. Bound to anything but loopback, every route that declares
nothing asks for a token, but those with `opt={"public": True}` (health, login and the page); `"elsewhere"` is the role
that a route asks for there and on loopback does not. Of a path that two contracts share, `"slash": "open"` is the form
with the slash, which asks for no role. `"forbidden": 401` is the status where a role does not suffice (C13).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec
from litestar.connection import ASGIConnection
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope

from api.auth.tokens import Identity
from api.auth.users import Role
from api.house import House
from api.raw_path import slashed
from api.settings import LOOPBACK
from events.errors import Forbidden, Unauthenticated, UnsupportedMedia

Connection = ASGIConnection[Any, Any, Any, Any]
EVENT_STREAMS = frozenset({"/api/system/task-events"})  # whose contract has the token in the query
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
LOCAL = "local"  # who uses a route without a token
_CALLER = "tapedeck_caller"


class Caller(msgspec.Struct, frozen=True):
    """Who asks. A bad token is kept here, and raised only where a route asks for one."""

    address: str
    identity: Identity | None = None
    bad: Unauthenticated | None = None

    @property
    def key(self) -> str:
        """Whose requests are counted together."""
        return f"user {self.identity.user}" if self.identity else f"address {self.address}"


def find_caller(scope: Scope, headers: Headers, house: House) -> Caller:
    """Who sent this request; remembered for the guard."""
    caller = _caller(scope, headers, house)
    scope["state"][_CALLER] = caller
    return caller


def _caller(scope: Scope, headers: Headers, house: House) -> Caller:
    client = scope.get("client")
    address = client[0] if client else "unknown"
    identity, bad = None, None
    try:
        text = _token(scope, headers)
        identity = house.tokens.check(text, "access", house.users) if text is not None else None
    except Unauthenticated as error:
        bad = error
    return Caller(address, identity, bad)


def caller_of(connection: Connection) -> Caller:
    """Who `find_caller` found."""
    found: Caller = connection.scope["state"][_CALLER]
    return found


def _token(scope: Scope, headers: Headers) -> str | None:
    """The token that a request carries; of what browsers open without headers of ours, also in its query."""
    header = headers.get("authorization")
    if header is not None:
        kind, _, text = header.partition(" ")
        if kind.lower() != "bearer" or not text.strip():
            raise Unauthenticated("The Authorization header must be 'Bearer' and a token.", code="BAD_TOKEN")
        return text.strip()
    if scope["type"] == ScopeType.WEBSOCKET or scope["path"] in EVENT_STREAMS:
        return parse_qs(scope["query_string"].decode("latin-1")).get("token", [None])[-1]
    return None


def beyond_loopback(house: House) -> bool:
    """Whether the server listens on more than this machine's own addresses."""
    return house.settings.api.host not in LOOPBACK


def check_access(caller: Caller, role: str | None, house: House) -> Identity | None:
    """Whether a caller may use a route that asks for `role` (None: a token only beyond loopback, where it is asked
    for; a bad one changes nothing where none is asked for).

    Raises:
        Unauthenticated: a token is needed and there is none, or a bad one.
        Forbidden: the role does not suffice.
    """
    if role is None and not beyond_loopback(house):
        return caller.identity
    if caller.bad is not None:
        raise caller.bad
    if caller.identity is None:
        raise Unauthenticated("This needs a token: log in, then send 'Authorization: Bearer TOKEN'.")
    needed = Role(role) if role else Role.VIEWER
    if not caller.identity.role.includes(needed):
        raise Forbidden(f"This needs the role {needed}; {caller.identity.user} is {caller.identity.role}.")
    return caller.identity


def role_for(opt: Mapping[str, Any], scope: Scope, house: House) -> str | None:
    """The role that a route asks for; None: no more than a token, beyond loopback."""
    if opt.get("slash") == "open" and slashed(scope):
        return None
    role: str | None = opt.get("role") or (opt.get("elsewhere") if beyond_loopback(house) else None)
    return role


async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """The guard of the whole application. Raises as `check_access`, and Forbidden for a wrong CSRF token."""
    if handler.opt.get("public"):
        return
    house: House = connection.app.state.house
    role = role_for(handler.opt, connection.scope, house)
    try:
        identity = check_access(caller_of(connection), role, house)
    except Forbidden as error:
        if handler.opt.get("forbidden") == 401:
            raise Unauthenticated(error.message, code=error.code) from None
        raise
    if handler.opt.get("changes"):
        check_same_origin(connection.headers)
    if identity is not None and handler.opt.get("csrf"):
        house.tokens.check_csrf(identity, connection.headers.get("x-csrf-token"))


def still_the_same(connection: Connection, house: House) -> Callable[[], None]:
    """A look, for as long as an answer goes on, at whether who asked for it would be let in as before: tokens expire,
    users are removed, and get another password or role.

    Raises (the look): Unauthenticated, Forbidden.
    """
    role, before = role_for(connection.route_handler.opt, connection.scope, house), caller_of(connection).identity

    def look() -> None:
        now = check_access(_caller(connection.scope, connection.headers, house), role, house)
        if (now and (now.user, now.role)) != (before and (before.user, before.role)):
            raise Forbidden("Who listens is another by now, or nobody: log in again.")

    return look


def user_of(connection: Connection) -> Identity:
    """Who uses a route that declares a role."""
    identity = caller_of(connection).identity
    assert identity is not None, "the guard lets nobody without a token through to a route with a role"
    return identity


def name_of(connection: Connection) -> str:
    """The name of whoever uses a route, also one that asks for no token."""
    identity = caller_of(connection).identity
    return identity.user if identity else LOCAL


def check_wall(scope: Scope, headers: Headers, house: House) -> None:
    """Loopback is not a wall: a page in a browser can reach it. So `Host` must name this machine, `Origin` must be
    one of `cors_origins`, and bodies must be JSON (which makes browsers ask first).

    Raises:
        Forbidden: of another host or origin.
        UnsupportedMedia: a body of another kind.
    """
    api = house.settings.api
    host = headers.get("host", "").rpartition("@")[2]
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if api.host in LOOPBACK and name.lower() not in LOOPBACK:
        raise Forbidden(f"Host {name[:80]!r} is not this machine.", code="BAD_HOST", field="Host")
    origin = headers.get("origin")
    if origin and origin not in api.cors_origins and origin not in (f"http://{host}", f"https://{host}"):
        raise Forbidden(
            f"Origin {origin[:120]!r} is not allowed.",
            code="BAD_ORIGIN",
            field="Origin",
            hint="Add it to api.cors_origins.",
        )
    if scope.get("method") in WRITES and _has_body(headers):
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise UnsupportedMedia(f"The body must be application/json, not {kind[:80] or 'unnamed'}.")


def check_same_origin(headers: Headers) -> None:
    """A GET that changes something: an image or a link of another page asks for it without `Origin`.

    Raises:
        Forbidden: the browser says that another site's page asks (Fetch Metadata, `Sec-Fetch-Site`).
    """
    site = headers.get("sec-fetch-site", "")
    if site in ("cross-site", "same-site") and "origin" not in headers:
        raise Forbidden("Another site's page asks for this.", code="BAD_ORIGIN", field="Sec-Fetch-Site")


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
