"""A client of server-sent events that speaks ASGI to an application in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Litestar

Event = tuple[str, Any]  # its name, and its data as JSON


class Events:
    """What an answer streams. Comments are left out."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._text = b""
        self._ended = False

    async def take(self, message: Any) -> None:
        """What the application sends."""
        await self._sent.put(message)

    async def next(self, seconds: float = 20.0) -> Event:
        """The next event. Raises TimeoutError, and EOFError where the stream has ended."""
        async with asyncio.timeout(seconds):
            while (event := self._cut()) is None:
                if self._ended:
                    raise EOFError
                self._note(await self._sent.get())
        return event

    async def opened(self, seconds: float = 20.0) -> None:
        """Wait until the answer has begun: `status` and `headers` are known then."""
        async with asyncio.timeout(seconds):
            while not self.status:
                self._note(await self._sent.get())

    def waiting(self, but: str = "") -> list[Event]:
        """Events that have come and were not taken, but those of a name."""
        while not self._sent.empty():
            self._note(self._sent.get_nowait())
        found = []
        while (event := self._cut()) is not None:
            found.append(event)
        return [event for event in found if event[0] != but]

    def _note(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            self._text += message.get("body", b"")
            self._ended = not message.get("more_body", False)

    def _cut(self) -> Event | None:
        while b"\n\n" in self._text:
            block, _, self._text = self._text.partition(b"\n\n")
            lines = dict(line.split(b": ", 1) for line in block.split(b"\n") if not line.startswith(b":"))
            if b"data" in lines:
                return lines.get(b"event", b"message").decode(), msgspec.json.decode(lines[b"data"])
        return None


@asynccontextmanager
async def listening(
    app: Litestar, path: str, query: dict[str, Any] | None = None, headers: dict[str, str] | None = None
) -> AsyncIterator[Events]:
    """Events of a route; the client leaves when the block ends."""
    given = {"host": "127.0.0.1:8080", **{name.lower(): value for name, value in (headers or {}).items()}}
    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": urlencode(query or {}).encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 50_002),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    events, left = Events(), asyncio.Event()
    asked: list[dict[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if asked:
            return asked.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    task = asyncio.create_task(app(scope, receive, events.take))  # type: ignore[arg-type]
    try:
        yield events
    finally:
        left.set()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(task, 5)
