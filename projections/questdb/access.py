"""Where a QuestDB server is and how to get in, and asking it over HTTP.

Reads go through `/exec`, whose JSON keeps every float64 exactly (shortest digits). A call is synchronous and holds one
connection of a bounded pool; callers run it in a thread.
"""

from __future__ import annotations

import base64
import http.client
import ssl
import urllib.parse
from collections.abc import Sequence
from queue import Empty, LifoQueue
from typing import Any

import msgspec
import numpy as np

from events.errors import Bug, InvalidInput, ReadModelUnavailable
from events.rows import Rows

NULL_I8 = -(2**63)  # how QuestDB stores it, and what its JSON shows as null


class Access(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Address and credentials of a server. Its text never shows the password."""

    url: str  # http://host:port
    user: str = ""
    password: str = ""
    pg_port: int = 0  # PostgreSQL wire protocol on the same host; 0: none

    def __repr__(self) -> str:
        return f"Access({self.url}, user={self.user!r})"

    @property
    def host(self) -> str:
        """Name or number of the host."""
        return urllib.parse.urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """HTTP port; QuestDB's own where the address names none."""
        return urllib.parse.urlsplit(self.url).port or 9000

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.url.startswith("https:")


def access_of(url: str) -> Access:
    """Access from `http(s)://[user:password@]host[:port]`.

    Raises:
        InvalidInput: anything else.
    """
    parts = urllib.parse.urlsplit(url)
    try:
        port = parts.port or 9000
    except ValueError:
        port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or not port or parts.path not in ("", "/"):
        raise InvalidInput(
            "The address of QuestDB is not of the form http://[user:password@]host[:port].",
            field="market.url",
            hint="Set TAPEDECK_QUESTDB_URL, or market.url in the settings.",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    unquote = urllib.parse.unquote
    return Access(f"{parts.scheme}://{host}:{port}", unquote(parts.username or ""), unquote(parts.password or ""))


class QueryRefused(ReadModelUnavailable):
    """The server answered a statement with an error."""

    code = "QUERY_REFUSED"


class _Reply(msgspec.Struct):
    error: str = ""
    dataset: list[tuple[Any, ...]] = []


class Console:
    """Statements to one server, over at most `pool_max` kept connections."""

    def __init__(self, access: Access, *, pool_max: int, seconds_max: float) -> None:
        self._access = access
        self._seconds_max = seconds_max
        self._idle: LifoQueue[http.client.HTTPConnection] = LifoQueue(pool_max)
        token = base64.b64encode(f"{access.user}:{access.password}".encode()).decode()
        self._headers = {"Statement-Timeout": str(round(seconds_max * 1000))}
        if access.user:
            self._headers["Authorization"] = f"Basic {token}"

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that a statement gives; none for one that makes or changes something.

        Raises:
            QueryRefused: the server does not carry it out; the message is its own.
            ReadModelUnavailable: no answer within the bound.
        """
        path = "/exec?" + urllib.parse.urlencode({"query": sql})
        body = self._get(path)
        try:
            reply = msgspec.json.decode(body, type=_Reply)
        except msgspec.DecodeError:
            raise QueryRefused(f"QuestDB gave no JSON: {body[:200].decode(errors='replace')}") from None
        if reply.error:
            raise QueryRefused(f"QuestDB refused a statement: {reply.error} [{sql[:500]}]")
        return reply.dataset

    def rows(self, sql: str, row: np.dtype) -> Rows:
        """The rows of a query whose select list is the fields of `row`, in order: row[n]."""
        return packed(self.ask(sql), row)

    def _get(self, path: str) -> bytes:
        for attempt in (1, 2):  # a kept connection may have been closed by the server meanwhile
            connection, kept = self._take()
            try:
                connection.request("GET", path, headers=self._headers)
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if kept and attempt == 1 and not isinstance(error, TimeoutError):
                    continue
                raise ReadModelUnavailable(
                    f"QuestDB at {self._access.url} does not answer: {type(error).__name__} {error}".rstrip(),
                    hint="See `tapedeck doctor`.",
                ) from error
            self._give(connection)
            if response.status in (401, 403):
                raise ReadModelUnavailable(f"QuestDB at {self._access.url} refuses these credentials.")
            return body
        raise Bug("the second attempt returns or raises")

    def _take(self) -> tuple[http.client.HTTPConnection, bool]:
        try:
            return self._idle.get_nowait(), True
        except Empty:
            return self._connect(), False

    def _connect(self) -> http.client.HTTPConnection:
        seconds = self._seconds_max + 1.0  # the server gives up first, and says why
        if self._access.secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._access.host, self._access.port, timeout=seconds, context=context)
        return http.client.HTTPConnection(self._access.host, self._access.port, timeout=seconds)

    def _give(self, connection: http.client.HTTPConnection) -> None:
        if self._idle.full():
            connection.close()
        else:
            self._idle.put_nowait(connection)

    def close(self) -> None:
        """Close the kept connections."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return


def packed(dataset: Sequence[tuple[Any, ...]], row: np.dtype) -> Rows:
    """Tuples as packed rows, row[n]. A null is the smallest int64, which QuestDB cannot tell from it."""
    try:
        return np.array(dataset, dtype=row)
    except TypeError:
        return np.array([tuple(NULL_I8 if x is None else x for x in each) for each in dataset], dtype=row)


def quoted(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("'", "''") + "'"
