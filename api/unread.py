"""The rest of a request's body that its answer did not need: read and forgotten, or the connection says that it ends.

A server that is left with it closes the connection without a word, and the client's next request on it is lost.
"""

from __future__ import annotations

import asyncio
from typing import Any

from litestar.datastructures import Headers
from litestar.types import Receive

DRAIN_SECONDS_MAX = 2.0
DRAIN_BYTES_MAX = 67_108_864  # who sends more may lose the answer: it is sent while the client still sends


class Incoming:
    """`receive` of one request; `unread` while more of the body may come."""

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self._receive = receive
        self.unread = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

    async def __call__(self) -> Any:
        """See `Receive`."""
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self.unread = False
        return message

    async def drained(self) -> bool:
        """Read what is left, if it is not too much; whether nothing is left."""
        left = DRAIN_BYTES_MAX
        try:
            async with asyncio.timeout(DRAIN_SECONDS_MAX):
                while self.unread and left > 0:
                    left -= len((await self()).get("body", b""))
        except TimeoutError:
            return False
        return not self.unread
