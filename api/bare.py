"""HEAD: a GET whose answer ends behind its headers. Whatever would follow is not sent, and a stream ends."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar.types import Message, Receive, Send
from litestar.types.asgi_types import HTTPDisconnectEvent


class Bare:
    """`send` and `receive` of one request whose client wants no body."""

    def __init__(self, send: Send, receive: Receive) -> None:
        self._send = send
        self._receive = receive
        self._ended = asyncio.Event()

    async def send(self, message: Message) -> None:
        """The headers, and at once the end."""
        if message["type"] == "http.response.start":
            await self._send(message)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            self._ended.set()

    async def receive(self) -> Any:
        """What the client sends; behind the end nobody listens any more."""
        heard = asyncio.ensure_future(self._receive())
        ended = asyncio.ensure_future(self._ended.wait())
        waited: set[asyncio.Future[Any]] = {heard, ended}
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            return heard.result() if heard.done() and not ended.done() else HTTPDisconnectEvent(type="http.disconnect")
        finally:
            for one in waited:
                one.cancel()
