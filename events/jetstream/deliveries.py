"""A nats-py client that hands what comes for a reading on as it came.

nats-py parses the headers of each message letter by letter and gives it to a task through a queue: of 20 us a message
that is 15. A reading takes a whole packet of messages at once, and needs the headers later if at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nats.aio.client import Client


class Delivery(NamedTuple):
    """One message as it came over the line."""

    subject: bytes
    reply: bytes
    headers: bytes  # the whole block, its first line included; empty where there is none
    body: bytes


Take = Callable[[Delivery], None]


class DeliveringClient(Client):
    """nats-py's client with a way past its queues, for the subscriptions in `takes`."""

    def __init__(self) -> None:
        super().__init__()
        self.takes: dict[int, Take] = {}  # by number of the subscription

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        take = self.takes.get(sid)
        if take is None:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            take(Delivery(subject, reply, headers or b"", data))  # None where there are none
