"""The front: what holds for every request, whatever route it meets, and for those that meet none.

Wall, limits, size and time of a request; hot answers; the headers of every answer; one line of the log.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Caller, beyond_loopback, check_wall, find_caller
from api.bare import Bare
from api.errors import answer_scope
from api.house import House
from api.masking import masked_path, masked_query
from api.reading.hot import HotAnswer
from api.requests import request_id
from api.sockets import HANDLERS as SOCKET_HANDLERS
from api.unread import Incoming
from events.errors import OperatingError, TapedeckError, TooLarge, Unknown

log = structlog.get_logger(__name__)

REQUEST_SECONDS_MAX = 30.0  # longer than any bound within; routes that may take longer say so
CSP = b"default-src 'none'; frame-ancestors 'none'"
LOGIN = "/api/auth/login"
EVENT_STREAM = b"text/event-stream"
METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"})  # what others send is counted together
_SEQUENCE = b"tape-sequence"
_CSP = b"content-security-policy"
_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_REQUEST = b"x-request-id"
_NO_STORE = (b"cache-control", b"no-store")
EXPOSED = (
    "Tape-Sequence",
    "Tape-Epoch",
    "Tape-Instrument",
    "Candle-Source",
    "Retry-After",
    "Idempotency-Key",
    "X-Request-Id",
)
_CLOSE = (b"connection", b"close")
_EXPOSE = (b"access-control-expose-headers", ", ".join(EXPOSED).encode())
_BOUND = "tapedeck_bound"
SOCKETS = frozenset(path for handler in SOCKET_HANDLERS for path in handler.paths)
ACCEPTED, OURS = 101, 4000  # of a socket: the status once it is open; its close codes behind are statuses


def extend(scope: Scope, seconds: float | None) -> None:
    """Give this request so long from now on; None: as long as it takes. Streams of events have that by themselves."""
    bound: asyncio.Timeout = scope["state"][_BOUND]
    bound.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)


class Watched:
    """`send` of one request: adds the headers of every answer and keeps what the log says of it."""

    def __init__(
        self, send: Send, extra: tuple[tuple[bytes, bytes], ...] = (), incoming: Incoming | None = None
    ) -> None:
        self._send = send
        self._extra = extra
        self._incoming = incoming
        self.bound: asyncio.Timeout | None = None  # of what takes as long as an answer may
        self.status = 0
        self.streams = False  # an answer that goes on for as long as the client listens
        self.sequence: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "websocket.accept":
            self.status = ACCEPTED
        elif message["type"] == "websocket.close" and OURS <= message["code"] < OURS + 600:
            self.status = message["code"] - OURS  # 4401 is refused as a request's 401 is
        elif message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message["headers"])
            names = {name.lower() for name, _ in headers}
            self.streams = any(value.startswith(EVENT_STREAM) for name, value in headers if name == b"content-type")
            if self.streams and self.bound is not None:
                self.bound.reschedule(None)  # as long as the client takes what is sent (`api.streams.response`)
            if _SEQUENCE in names:
                self.sequence = int(next(value for name, value in headers if name.lower() == _SEQUENCE))
            headers.extend(_HEADERS)
            if _CSP not in names:
                headers.append((_CSP, CSP))
            if _NO_STORE[0] not in names:
                headers.append(_NO_STORE)
            headers.extend(header for header in self._extra if header[0] not in names)
            if self._incoming is not None and not await self._incoming.drained():
                headers.append(_CLOSE)
            message["headers"] = headers
        await self._send(message)


class Front:
    """Stands before the application."""

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._app = app
        self._house = house
        self._open = not beyond_loopback(house)
        self._cors = frozenset(house.settings.api.cors_origins)
        self._body_max = house.settings.api.body_bytes_max
        self._seconds = max(REQUEST_SECONDS_MAX, 2 * house.settings.api.answer_seconds_max)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            headers = Headers.from_scope(scope)
            method = scope["method"]
            if method == "HEAD":
                bare = Bare(send, receive)
                scope["method"], receive, send = "GET", bare.receive, bare.send
            extra = (*self._shared_with(headers.get("origin")), (_REQUEST, request_id(scope).encode()))
            incoming = Incoming(receive, headers)
            await self._http(scope, incoming, Watched(send, extra, incoming), (method, headers))
        else:
            await self._websocket(scope, receive, send)

    def _shared_with(self, origin: str | None) -> tuple[tuple[bytes, bytes], ...]:
        """What lets a front end of an allowed origin read an answer that did not come from the routes."""
        if origin not in self._cors or origin is None:
            return ()
        return ((b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin"), _EXPOSE)

    async def _http(self, scope: Scope, receive: Receive, send: Watched, asked: tuple[Any, Headers]) -> None:
        method, headers = asked
        began = self._house.clock.monotonic_ns()
        try:
            caller = find_caller(scope, headers, self._house)
            await self._check(scope, headers, caller)
            hot = self._hot(scope, headers, caller)
            if hot is None:
                await self._bounded(scope, receive, send)
            else:
                await self._give(hot, send)
        except TapedeckError as error:
            await answer_scope(error, scope, receive, send)
        finally:
            scope["method"] = method  # type: ignore[typeddict-unknown-key]
            self._log(scope, send, began)
            self._note(scope, send, began)
            self._audit(scope, send)

    def _note(self, scope: Scope, send: Watched, began: int) -> None:
        """Count the answer."""
        seconds = (self._house.clock.monotonic_ns() - began) / 1e9
        method = str(scope.get("method", ""))
        self._house.requests.note(method if method in METHODS else "OTHER", send.status, seconds, streams=send.streams)

    def _audit(self, scope: Scope, send: Watched) -> None:
        """Note what is to be kept of who did what; the login notes itself, with the name."""
        path = masked_path(scope["path"])
        if path.startswith(LOGIN):
            return
        caller: Caller | None = scope["state"].get("tapedeck_caller")
        user = caller.identity.user if caller and caller.identity else ""
        address = caller.address if caller else ""
        self._house.auditing.note_request(str(scope.get("method", "SOCKET")), path, user, address, send.status)

    async def _check(self, scope: Scope, headers: Headers, caller: Caller) -> None:
        await self._pass(scope, headers, caller)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:18]) > self._body_max:
            raise TooLarge(f"The body has {length[:18]} bytes; body_bytes_max is {self._body_max}.")

    async def _pass(self, scope: Scope, headers: Headers, caller: Caller) -> None:
        """Stop at the ceiling (beyond loopback), at the wall, and at the limit of the path, below `/api/v1` only.

        What another origin's page sends is no use of whoever's browser shows that page: the wall comes before limits.

        Raises:
            TooMany: see `Counters.use`. Forbidden, UnsupportedMedia: see `check_wall`.
        """
        house = self._house
        if not self._open:
            await house.counters.use(house.limits.ceiling, caller.key)
        check_wall(scope, headers, house)
        limit = house.limits.of(str(scope.get("method", "")), scope["path"])
        if limit is not None:
            await house.counters.use(limit, caller.key)

    async def _bounded(self, scope: Scope, receive: Receive, send: Watched) -> None:
        try:
            async with asyncio.timeout(self._seconds) as bound:
                scope["state"][_BOUND] = send.bound = bound
                await self._app(scope, receive, send)
        except TimeoutError:
            if not bound.expired():
                raise
            if send.status == 0:
                error = OperatingError(
                    "The request took too long and was ended.",
                    code="REQUEST_TIMEOUT",
                    hint="A command may have been carried out: repeat it with the same Idempotency-Key.",
                )
                await answer_scope(error, scope, receive, send)

    # --- hot answers ----------------------------------------------------------------------------------------------

    def _hot(self, scope: Scope, headers: Headers, caller: Caller) -> HotAnswer | None:
        """An answer that is kept, where nothing about this request asks for more than the answer."""
        if scope.get("method") != "GET" or not (self._open or caller.identity) or "tape-min-sequence" in headers:
            return None
        return self._house.hot.find((scope["raw_path"], scope["query_string"]))

    @staticmethod
    async def _give(hot: HotAnswer, send: Watched) -> None:
        start: Any = {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", b"%d" % len(hot.body)),
                (_SEQUENCE, b"%d" % hot.sequence),
                (b"tape-epoch", hot.epoch.encode()),
            ],
        }
        await send(start)
        await send({"type": "http.response.body", "body": hot.body, "more_body": False})

    # --- sockets and the log --------------------------------------------------------------------------------------

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, watched = self._house.clock.monotonic_ns(), Watched(send)
        try:
            headers = Headers.from_scope(scope)
            caller = find_caller(scope, headers, self._house)
            await self._pass(scope, headers, caller)
            if scope["path"].rstrip("/") not in SOCKETS:
                raise Unknown(f"There is no socket at {scope['path'][:120]}.", hint="/docs lists every route.")
            await self._app(scope, receive, watched)
        except TapedeckError as error:
            await answer_scope(error, scope, receive, watched)
        finally:
            self._log(scope, watched, began)
            self._audit(scope, watched)

    def _log(self, scope: Scope, send: Watched, began: int) -> None:
        caller: Caller | None = scope["state"].get("tapedeck_caller")
        log.info(
            "request",
            method=scope.get("method", "WEBSOCKET"),
            path=masked_path(scope["path"]),
            query=masked_query(scope["query_string"]),
            status=send.status or None,
            elapsed_ms=round((self._house.clock.monotonic_ns() - began) / 1e6, 3),
            user=caller.identity.user if caller and caller.identity else None,
            tape_sequence=send.sequence,
            request=request_id(scope),
        )
