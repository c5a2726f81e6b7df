"""A request that is refused before its body was read leaves a connection that is of use, or says that it ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from tests.api.served import served
from tests.api.worlds import world

TIMES = 60


async def test_the_next_request_on_a_connection_is_answered(tmp_path: Path) -> None:
    """Over one connection: 415, 413, 401 and 404 of large bodies, each followed by a read that gets its answer."""
    async with world(tmp_path) as made, served(made) as port:
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits) as client:
            for number in range(TIMES):
                size, kind, path, status = (
                    (300_000, "text/plain", "/api/config/import", 415),
                    (1_100_000, "application/json", "/api/config/import", 413),
                    (300_000, "application/json", "/api/config/import", 401),
                    (300_000, "application/json", "/api/nowhere", 404),
                    (9_000_000, "application/json", "/api/config/import", 413),
                )[number % 5]
                answer = await client.post(path, content=b" " * size, headers={"Content-Type": kind})
                assert answer.status_code == status, answer.text
                assert (await client.get("/api/auth/status")).status_code == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Content-Length: 100\r\nExpect: 100-continue", b"401"),
        ("Content-Length: 2000000\r\nExpect: 100-continue", b"413"),
        ("Content-Length: 999999999", b"413"),
    ],
)
async def test_nobody_is_invited_to_send_what_is_refused(tmp_path: Path, head: str, status: bytes) -> None:
    """Who asks before sending is answered at once with what is wrong, and so is who announces far too much."""
    async with world(tmp_path) as made, served(made) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        kind = "Content-Type: application/json"
        writer.write(f"POST /api/config/import HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{kind}\r\n{head}\r\n\r\n".encode())
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.split()[1] == status, answer
        assert b"connection: close" in answer.lower()
        writer.close()
