"""A WebSocket client that speaks ASGI to an application in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from litestar import Litestar


class Socket:
    """One connection. `closed` is the code it was closed with, or refused before it was opened."""

    def __init__(self, holds: int = 0) -> None:
        self.to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue(holds)
        self.accepted = False
        self.closed: int | None = None
        self.reason = ""

    async def send(self, body: Any) -> None:
        """Send a message as JSON; bytes and text go as they are."""
        text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
        await self.to_app.put({"type": "websocket.receive", "text": text, "bytes": None})

    async def receive(self, seconds: float = 5.0) -> Any:
        """The next message; None where the socket was closed."""
        while True:
            event = await asyncio.wait_for(self.from_app.get(), seconds)
            if event["type"] == "websocket.accept":
                self.accepted = True
            elif event["type"] == "websocket.close":
                self.closed, self.reason = event["code"], event.get("reason") or ""
                return None
            else:
                return msgspec.json.decode(event.get("text") or event["bytes"])


@asynccontextmanager
async def connected(
    app: Litestar, path: str = "/ws", query: str = "", headers: dict[str, str] | None = None, holds: int = 0
) -> AsyncIterator[Socket]:
    """A socket to an application; it is left when the block ends.

    What it has not received waits here; beyond `holds` messages the sender waits (0: it never does).
    """
    socket = Socket(holds)
    given = {"host": "127.0.0.1:8080", **{name.lower(): value for name, value in (headers or {}).items()}}
    scope: Any = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 50_001),
        "server": ("127.0.0.1", 8080),
        "subprotocols": [],
        "state": {},
    }
    await socket.to_app.put({"type": "websocket.connect"})
    task = asyncio.create_task(app(scope, socket.to_app.get, socket.from_app.put))  # type: ignore[arg-type]
    try:
        yield socket
    finally:
        await socket.to_app.put({"type": "websocket.disconnect", "code": 1000})
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(task, 5)
