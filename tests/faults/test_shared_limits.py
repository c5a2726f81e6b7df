"""Several API processes share the rows of the rate limits: what one has let through, the other counts."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process

import httpx
import msgspec
import pytest

from api.settings import LimitsSettings
from events.jetstream.link import Endpoint, Link
from events.jetstream.server import NatsServer
from tests.fixtures.nats import OWNER, fresh_streams, nats_server  # noqa: F401

pytestmark = [pytest.mark.asyncio, pytest.mark.faults, pytest.mark.timeout(240)]

DOCUMENTED = LimitsSettings()


async def limited_house(endpoint: Endpoint) -> tuple[Process, str]:
    """A process that serves HTTP and counts in the bucket of a server; its address."""
    arguments = (sys.executable, "-m", "tests.faults.limited_house")
    process = await asyncio.create_subprocess_exec(*arguments, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(endpoint) + b"\n")
    async with asyncio.timeout(60):
        while not (line := await process.stdout.readline()).startswith(b"port "):  # what it logs stands before
            assert line, "it ended"
    return process, f"http://127.0.0.1:{int(line[5:])}"


async def test_two_processes_share_a_row_over_http(nats_server: NatsServer) -> None:  # noqa: F811
    """Asked in turn over HTTP, two API processes let through as many as the row says together; then both are 429."""
    link = await Link.open(nats_server.endpoint(OWNER))
    await fresh_streams(link)
    await link.close()
    houses = await asyncio.gather(*(limited_house(nats_server.endpoint(OWNER)) for _ in range(2)))
    passed = [0, 0]
    try:
        async with httpx.AsyncClient(timeout=30) as client:
            refused = [False, False]
            while not all(refused):
                for at, (_, url) in enumerate(houses):
                    answer = await client.put(f"{url}/api/v1/config", json={})
                    refused[at] = answer.status_code == 429
                    passed[at] += not refused[at]
                    assert answer.status_code != 429 or 1 <= int(answer.headers["Retry-After"]) <= 60
    finally:
        for process, _ in houses:
            await process.communicate(b"\n")
    assert passed == [DOCUMENTED.config_updates_per_minute // 2] * 2
