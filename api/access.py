"""Access: who asks, what a route asks for, and what loopback does not protect from.

A route declares `opt={"role": "trader", "csrf": True}`. Bound to anything but loopback, every route that declares
nothing asks for a token, but those with `opt={"public": True}` (health, login and the page).
"""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Headers
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from api.auth.tokens import Identity
from api.auth.users import Role
from api.errors import answer_scope
from api.house import House
from api.settings import LOOPBACK
from events.errors import Forbidden, TapedeckError, Unauthenticated, UnsupportedMedia

Connection = ASGIConnection[Any, Any, Any, Any]
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def identify(connection: Connection) -> Identity | None:
    """Whose token the request carries; None without one. Raises Unauthenticated for a bad one."""
    house: House = connection.app.state.house
    header = connection.headers.get("authorization")
    text = header.removeprefix("Bearer ").strip() if header and header.startswith("Bearer ") else None
    if header and text is None:
        raise Unauthenticated("The Authorization header must be 'Bearer' and a token.", code="BAD_TOKEN")
    if text is None:
        text = connection.query_params.get("token") if connection.scope["type"] == "websocket" else None
    return house.tokens.check(text, "access", house.users) if text else None


def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """The guard of the whole application.

    Raises:
        Unauthenticated: a token is needed and there is none, or a bad one.
        Forbidden: the role does not suffice, or the CSRF token is missing or wrong.
    """
    if handler.opt.get("public"):
        return
    house: House = connection.app.state.house
    role = handler.opt.get("role")
    beyond = house.settings.api.host not in LOOPBACK
    identity = identify(connection)
    connection.scope["user"] = identity
    if role is None and not beyond:
        return
    if identity is None:
        raise Unauthenticated("This needs a token: log in, then send 'Authorization: Bearer TOKEN'.")
    needed = Role(role) if role else Role.VIEWER
    if not identity.role.includes(needed):
        raise Forbidden(f"This needs the role {needed}; {identity.user} is {identity.role}.")
    if handler.opt.get("csrf"):
        house.tokens.check_csrf(identity, connection.headers.get("x-csrf-token"))


class LoopbackWall:
    """Loopback is not a wall: a page in a browser can reach it. So `Host` must name this machine, `Origin` must be
    one of `cors_origins`, and bodies must be JSON (which makes browsers ask first).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                self._check(scope)
            except TapedeckError as error:
                await answer_scope(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    @staticmethod
    def _check(scope: Scope) -> None:
        house: House = scope["litestar_app"].state.house  # type: ignore[typeddict-item]
        api = house.settings.api
        headers = Headers.from_scope(scope)
        host = headers.get("host", "").rpartition("@")[2]
        name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
        if api.host in LOOPBACK and name.lower() not in LOOPBACK:
            raise Forbidden(f"Host {name[:80]!r} is not this machine.", code="BAD_HOST", field="Host")
        origin = headers.get("origin")
        own = {f"http://{host}", f"https://{host}"}
        if origin and origin not in own and origin not in api.cors_origins:
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


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
