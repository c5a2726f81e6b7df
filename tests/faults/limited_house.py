"""A process of its own: a house in memory behind its HTTP server, whose counts lie in a real bucket.

Its standard input is the address of the nats-server as JSON; it writes a line with its port, and ends with its input.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import msgspec

from api.settings import LimitsSettings
from events.clock import SystemClock
from events.jetstream.keys import JetStreamKeys
from events.jetstream.link import Endpoint, Link
from events.jetstream.streams import COUNTERS
from tests.api.served import served
from tests.api.worlds import world


async def main(endpoint: Endpoint, folder: Path) -> None:
    """Serve until the input ends."""
    link = await Link.open(endpoint)
    keys = await JetStreamKeys.open(link, COUNTERS)
    async with world(folder, limits=LimitsSettings()) as made:
        made.house.counters.keys, made.house.counters._clock = keys, SystemClock()
        async with served(made) as port:
            sys.stdout.write(f"port {port}\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.readline)
    await link.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as own:
        asyncio.run(main(msgspec.json.decode(sys.stdin.readline(), type=Endpoint), Path(own)))
