"""One connection to a NATS server: requests with a bound, and what is in doubt told at once when the line drops.

Nothing is buffered while disconnected (`pending_size=0`): a message that the caller was told is lost would otherwise
be delivered later.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import (
    AuthorizationError,
    ConnectionClosedError,
    ConnectionDrainingError,
    Error,
    MaxPayloadError,
    NoServersError,
    OutboundBufferLimitError,
)

from events.errors import Forbidden, TapeUnavailable, TooLarge
from events.jetstream.deliveries import DeliveringClient, Take
from events.retry import NoAnswer, NotSent

_log = structlog.get_logger(__name__)
_NO_RESPONDERS = "503"
_VIOLATION = re.compile(r'permissions violation for publish to "([^"]*)"', re.IGNORECASE)


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a server is and as whom to go there. `seed_file` holds an nkey seed; a URL may carry user and password."""

    url: str
    role: str = "external"
    seed_file: str = ""
    credentials_file: str = ""


class LinkLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named maxima of a connection."""

    connect_seconds_max: float = 5.0
    reconnect_pause_seconds: float = 0.05
    ping_seconds: float = 5.0
    pings_missed_max: int = 2


class Link:
    """A connection that reconnects for ever; every wait of a caller is bounded."""

    def __init__(self, client: DeliveringClient, endpoint: Endpoint, limits: LinkLimits) -> None:
        self.endpoint = endpoint
        self.limits = limits
        self.reconnects = 0
        self._client = client
        self._connected = asyncio.Event()
        self._waiting: dict[str, tuple[str, asyncio.Future[Msg]]] = {}
        self._when_lost: set[Callable[[], None]] = set()
        self._tokens = itertools.count(1)
        self._inbox = ""
        self._closing = False

    @classmethod
    async def open(cls, endpoint: Endpoint, limits: LinkLimits | None = None) -> Link:
        """Connect.

        Raises:
            TapeUnavailable: nobody answers at the address within the bound.
            Forbidden: the server refuses the credentials.
        """
        client = DeliveringClient()
        link = cls(client, endpoint, limits or LinkLimits())
        await link._connect()
        link._inbox = client.new_inbox()
        await client.subscribe(f"{link._inbox}.*", cb=link._answered)
        link._connected.set()
        return link

    async def _connect(self) -> None:
        options: dict[str, Any] = {
            "error_cb": self._on_error,
            "disconnected_cb": self._on_disconnected,
            "reconnected_cb": self._on_reconnected,
            "closed_cb": self._on_closed,
            "name": f"tapedeck-{self.endpoint.role}",
            "inbox_prefix": inbox_prefix(self.endpoint.role) if self.endpoint.seed_file else "_INBOX",
            "pending_size": 0,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": self.limits.reconnect_pause_seconds,
            "connect_timeout": self.limits.connect_seconds_max,
            "ping_interval": self.limits.ping_seconds,
            "max_outstanding_pings": self.limits.pings_missed_max,
        }
        if self.endpoint.seed_file:
            options["nkeys_seed"] = self.endpoint.seed_file
        if self.endpoint.credentials_file:
            options["user_credentials"] = self.endpoint.credentials_file
        try:
            async with asyncio.timeout(self.limits.connect_seconds_max):
                await self._client.connect(servers=self.endpoint.url.split(","), allow_reconnect=True, **options)
                if not self._client.is_connected:
                    raise OSError("the server did not finish its greeting")
        except (TimeoutError, OSError, NoServersError, Error) as error:
            reason = self._client.last_error or error
            with contextlib.suppress(Exception):
                await self._client.close()
            raise self._unreachable(reason) from None

    def _unreachable(self, reason: BaseException) -> Forbidden | TapeUnavailable:
        shown = without_password(self.endpoint.url)
        if isinstance(reason, AuthorizationError) or "authorization" in str(reason).lower():
            return Forbidden(f"The NATS server at {shown} refuses the credentials of role {self.endpoint.role}.")
        return TapeUnavailable(
            f"No NATS server answers at {shown}: {str(reason) or type(reason).__name__}.",
            hint="Start it, or set TAPEDECK_NATS_URL to one that runs.",
        )

    # --- asking ---------------------------------------------------------------------------------------------------

    async def request(self, subject: str, body: bytes, seconds: float, headers: dict[str, str] | None = None) -> Msg:
        """One question, one answer.

        Raises:
            Forbidden: the role of this link may not ask that.
            NotSent: there is no connection, or nobody listens.
            NoAnswer: sent, and no answer within the bound or before the line dropped.
            TooLarge: over the server's `max_payload`.
        """
        self._check_size(subject, body, headers)
        token = str(next(self._tokens))
        future: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        self._waiting[token] = (subject, future)
        try:
            async with asyncio.timeout(seconds):
                await self.send(subject, body, reply=f"{self._inbox}.{token}", headers=headers)
                answer = await future
        except TimeoutError:
            raise NoAnswer(f"no answer within {seconds:g} s") from None
        finally:
            del self._waiting[token]
        if answer.headers and answer.headers.get("Status") == _NO_RESPONDERS and not answer.data:
            raise NotSent("nobody listens on this subject: JetStream is not ready, or there is no such stream")
        return answer

    async def send(
        self, subject: str, body: bytes = b"", *, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Publish without waiting for an answer. Raises NotSent, TooLarge."""
        try:
            await self._client.publish(subject, body, reply=reply, headers=headers)
        except (OutboundBufferLimitError, ConnectionClosedError, ConnectionDrainingError):
            raise NotSent("there is no connection to the NATS server") from None
        except MaxPayloadError:
            raise TooLarge(f"{len(body)} bytes are over the server's max_payload.", field="body") from None

    def _check_size(self, subject: str, body: bytes, headers: dict[str, str] | None) -> None:
        size = len(body) + sum(len(key) + len(value.encode()) + 4 for key, value in (headers or {}).items()) + 16
        if self._client.is_connected and size > self._client.max_payload:
            # over it with headers, the server closes the connection for ever
            raise TooLarge(
                f"A message for {subject} has {size} bytes with its headers; the server's max_payload is "
                f"{self._client.max_payload}.",
                field="body",
            )

    async def listen(self, take: Take) -> tuple[str, Callable[[], Awaitable[None]]]:
        """A fresh inbox, what comes there goes to `take`; and the function that ends it. Raises NotSent."""
        inbox = self._client.new_inbox()
        try:
            subscription = await self._client.subscribe(inbox, cb=self._answered)
        except (ConnectionClosedError, ConnectionDrainingError):
            raise NotSent("there is no connection to the NATS server") from None
        self._client.takes[subscription._id] = take

        async def end() -> None:
            self._client.takes.pop(subscription._id, None)
            with contextlib.suppress(Exception):
                await subscription.unsubscribe()

        return inbox, end

    async def _answered(self, message: Msg) -> None:
        _, future = self._waiting.get(message.subject.rpartition(".")[2], ("", None))
        if future is not None and not future.done():
            future.set_result(message)

    # --- the state of the line ------------------------------------------------------------------------------------

    @property
    def server_version(self) -> str:
        """Of the server that is connected now, such as `2.11.4`."""
        found = self._client.connected_server_version
        return f"{found.major}.{found.minor}.{found.patch}"

    @property
    def client(self) -> Client:
        """The nats-py client, for what it does well: keys and blobs."""
        return self._client

    @property
    def connected(self) -> bool:
        """Whether the line is up now."""
        return bool(self._client.is_connected)

    @property
    def closed(self) -> bool:
        """Whether it will not come back."""
        return bool(self._client.is_closed)

    def when_lost(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Call `tell` whenever the line drops, until the function that this returns is called."""
        self._when_lost.add(tell)
        return lambda: self._when_lost.discard(tell)

    async def ready(self, seconds: float) -> bool:
        """Wait until the line is up; False if it is not within the bound."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._connected.wait()
        return self.connected

    async def close(self) -> None:
        """Let go. What is still waited for is answered with NoAnswer."""
        self._closing = True
        self._drop("the connection was closed")
        with contextlib.suppress(Exception):
            async with asyncio.timeout(self.limits.connect_seconds_max):
                await self._client.close()

    def _drop(self, reason: str) -> None:
        self._connected.clear()
        for _, future in self._waiting.values():
            if not future.done():
                future.set_exception(NoAnswer(reason))
        for tell in list(self._when_lost):
            tell()

    async def _on_error(self, error: Exception) -> None:
        if (violation := _VIOLATION.search(str(error))) is not None:
            self._forbid(violation[1])
        if not self._inbox and "authorization" in str(error).lower():
            raise AuthorizationError  # while opening: no further try mends it
        if not self._closing:
            _log.debug("nats_error", role=self.endpoint.role, error=str(error) or type(error).__name__)

    def _forbid(self, subject: str) -> None:
        """Answer those who wait on a subject that the server refused; it tells the subject in lower case."""
        for asked, future in self._waiting.values():
            if asked.lower() == subject and not future.done():
                future.set_exception(Forbidden(f"Role {self.endpoint.role} may not publish to {asked}."))

    async def _on_disconnected(self) -> None:
        self._drop("the connection broke")
        if self._inbox and not self._closing:
            _log.warning("nats_disconnected", role=self.endpoint.role)

    async def _on_reconnected(self) -> None:
        self.reconnects += 1
        self._connected.set()
        _log.info("nats_reconnected", role=self.endpoint.role, reconnects=self.reconnects)

    async def _on_closed(self) -> None:
        self._drop("the connection was closed")
        if self._inbox and not self._closing:  # while opening, `open` raises what is wrong
            _log.error("nats_closed", role=self.endpoint.role, error=str(self._client.last_error or ""))


def inbox_prefix(role: str) -> str:
    """Where answers to a role go; its permissions let nobody else listen there."""
    return f"_INBOX_{role}"


def without_password(url: str) -> str:
    """The URL without what stands between scheme and host."""
    scheme, mark, rest = url.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
