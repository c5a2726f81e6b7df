"""The answer that is an endless stream: ends with its client, and lets go of everything at once when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from litestar.response import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send

MEDIA_TYPE = "text/event-stream"
STALLED_SECONDS_MAX = 30.0  # how long a client may take nothing of what is sent to it


class StreamedAnswer(ASGIResponse):
    """Sends what a generator yields."""

    _should_set_content_length = False

    def __init__(self, events: AsyncGenerator[bytes, None], headers: dict[str, str]) -> None:
        super().__init__(headers=headers, media_type=MEDIA_TYPE)
        self._events = events

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Until the generator ends or the client is gone; however it ends, the generator is closed."""
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        if not sending.cancelled() and not leaving.done():
            with suppress(TimeoutError):  # it took nothing: the connection is closed
                sending.result()

    async def _send(self, send: Send) -> None:
        async with aclosing(self._events) as events:
            async for chunk in events:
                async with asyncio.timeout(STALLED_SECONDS_MAX):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response[bytes]):
    """What a handler returns."""

    def __init__(self, events: AsyncGenerator[bytes, None], headers: dict[str, str]) -> None:
        super().__init__(b"", headers=headers, media_type=MEDIA_TYPE)
        self._events = events

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        """The stream."""
        return StreamedAnswer(self._events, self.headers)
