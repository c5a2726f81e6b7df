"""A nats-py client that hands what comes for a reading on as it came.

nats-py matches each line against every operation, parses the headers of each message letter by letter and gives it to
a task through a queue: of 20 us a message that is 17. A reading takes all that has come at once, and its headers later.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from nats.aio.client import Client
from nats.protocol.parser import Parser

Delivery = tuple[bytes, bytes, bytes, bytes]  # subject, reply, header block with its first line ("": none), body
Take = Callable[[Delivery], None]

# subject, subscription, reply, bytes of the headers, bytes of headers and body
_MESSAGE = re.compile(rb"HMSG (\S+) (\d+) (\S+) (\d+) (\d+)\r\n")
# any other: bytes behind it where it is a message
_LINE = re.compile(rb"(?:H?MSG [^\r\n]* (\d+)|[^\r\n]*)\r\n")
_EOL = b"\r\n"


class DeliveringClient(Client):
    """nats-py's client with a way past its parser and queues, for the subscriptions in `takes`."""

    def __init__(self) -> None:
        super().__init__()
        self.takes: dict[int, Take] = {}  # by number of the subscription
        self._ps = DeliveringParser(self)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        take = self.takes.get(sid)
        if take is None:
            await super()._process_msg(sid, subject, reply, data, headers)
        else:
            take((subject, reply, headers or b"", data))  # None where there are none


class DeliveringParser(Parser):
    """Cuts what came into whole operations: messages of readings go to them, all else through nats-py's parser."""

    def reset(self) -> None:
        """Forget what was not whole: the line is a new one."""
        super().reset()
        self._others = Parser(self.nc)

    async def parse(self, data: bytes = b"") -> None:
        """Take what came; what is not whole yet waits for the rest."""
        held, at = self.buf, 0
        held.extend(data)
        while at < len(held):
            found = _MESSAGE.match(held, at)
            end = _end(held, at, found)
            if not 0 < end <= len(held):
                break
            take = self.nc.takes.get(int(found[2])) if found else None
            if found is None or take is None:
                await self._others.parse(bytes(held[at:end]))
                if self.buf is not held:  # the line was lost over it
                    return
            else:
                take(_delivery(held, found, end))
            at = end
        del held[:at]


def _end(held: bytearray, at: int, found: re.Match[bytes] | None) -> int:
    """Where an operation ends; 0 where its line is not whole."""
    if found is None:
        line = _LINE.match(held, at)
        if line is None:
            return 0
        return line.end() + (int(line[1]) + len(_EOL) if line[1] else 0)
    return found.end() + int(found[5]) + len(_EOL)


def _delivery(held: bytearray, found: re.Match[bytes], end: int) -> Delivery:
    first, body = found.end(), found.end() + int(found[4])
    with memoryview(held) as view:
        return found[1], found[3], bytes(view[first:body]), bytes(view[body : end - len(_EOL)])
