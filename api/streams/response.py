"""The answer that is an endless stream: ends with its client, and lets go of everything at once when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from litestar.response import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send

from events.errors import TapedeckError

Look = Callable[[], None]

MEDIA_TYPE = "text/event-stream"
GUARD_SECONDS = 5.0  # between two looks at whether the client may still listen
STALLED_SECONDS_MAX = 30.0  # how long a client may take nothing of what is sent to it


class StreamedAnswer(ASGIResponse):
    """Sends what a generator yields."""

    _should_set_content_length = False

    def __init__(self, events: AsyncGenerator[bytes, None], headers: dict[str, str], look: Look) -> None:
        super().__init__(headers=headers, media_type=MEDIA_TYPE)
        self._events = events
        self._look = look

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Until the generator ends, the client is gone or may not listen; however it ends, the generator is closed."""
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_gone(receive))
        guarding = asyncio.create_task(_shut_out(self._look))
        tasks = (sending, leaving, guarding)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not sending.cancelled() and not leaving.done():
            sending.result()

    async def _send(self, send: Send) -> None:
        async with aclosing(self._events) as events:
            async for chunk in events:
                try:
                    async with asyncio.timeout(STALLED_SECONDS_MAX):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                except TimeoutError:
                    return  # it takes nothing: the connection is closed
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _shut_out(look: Look) -> None:
    """Look now and then whether the client may still listen."""
    while True:
        await asyncio.sleep(GUARD_SECONDS)
        try:
            look()
        except TapedeckError:
            return


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response[bytes]):
    """What a handler returns. `look` raises when the client may not listen any more (`api.access.still_the_same`)."""

    def __init__(self, events: AsyncGenerator[bytes, None], headers: dict[str, str], look: Look) -> None:
        super().__init__(b"", headers=headers, media_type=MEDIA_TYPE)
        self._events = events
        self._look = look

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIResponse:
        """The stream."""
        return StreamedAnswer(self._events, self.headers, self._look)
