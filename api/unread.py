"""The rest of a request's body that its answer did not need: read and forgotten, or the connection says that it ends.

A server that is left with it closes the connection without a word, and the client's next request on it is lost.
"""

from __future__ import annotations

import asyncio
from typing import Any

from litestar.datastructures import Headers
from litestar.types import Receive

DRAIN_SECONDS_MAX = 1.0
PAUSE_SECONDS_MAX = 0.5  # in which nothing comes: the body is not on its way
DRAIN_BYTES_MAX = 16_777_216  # of a larger one nothing is read: who sends it may lose the answer


class Incoming:
    """`receive` of one request; `unread` while more of the body may come."""

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self._receive = receive
        length = headers.get("content-length", "0")
        self.unread = "transfer-encoding" in headers or length != "0"
        small = length.isdecimal() and int(length[:18]) <= DRAIN_BYTES_MAX
        self._comes = small and "expect" not in headers  # who asks first is not invited to send what nobody wants

    async def __call__(self) -> Any:
        """See `Receive`."""
        message = await self._receive()
        self._comes = True
        if message["type"] != "http.request" or not message.get("more_body", False):
            self.unread = False
        return message

    async def drained(self) -> bool:
        """Read what is left, if it is on its way and not too much; whether nothing is left."""
        loop, left = asyncio.get_running_loop(), DRAIN_BYTES_MAX
        end = loop.time() + DRAIN_SECONDS_MAX
        try:
            while self.unread and self._comes and left > 0:
                async with asyncio.timeout_at(min(end, loop.time() + PAUSE_SECONDS_MAX)):
                    left -= len((await self()).get("body", b""))
        except TimeoutError:
            return False
        return not self.unread
