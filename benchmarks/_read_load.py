"""A load of reads from a process of its own: so many connections, each asks again when it was answered.

    python -m benchmarks._read_load URL [--connections 64] [--seconds 4]

Loopback only, bounded in connections and time. Prints JSON: requests, seconds, p50_ms, p99_ms, bytes of an answer.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from urllib.parse import urlsplit

import msgspec
import numpy as np

CONNECTIONS_MAX = 256
SECONDS_MAX = 60.0
LOOPBACK = ("127.0.0.1", "localhost")


async def ask(host: str, port: int, request: bytes, until: float, waits: list[float]) -> int:
    """One connection until a moment; bytes of its last answer."""
    reader, writer = await asyncio.open_connection(host, port)
    size = 0
    try:
        while (began := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"not answered: {head.decode(errors='replace')}")
            size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(size)
            waits.append(time.perf_counter() - began)
    finally:
        writer.close()
    return size


async def load(url: str, connections: int, seconds: float) -> dict[str, float]:
    """What came of it."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    if host not in LOOPBACK:
        raise SystemExit(f"{host} is not this machine")
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    waits: list[float] = []
    began = time.perf_counter()
    until = began + min(seconds, SECONDS_MAX)
    count = min(connections, CONNECTIONS_MAX)
    sizes = await asyncio.gather(*(ask(host, port, request, until, waits) for _ in range(count)))
    p50, p99 = np.quantile(np.array(waits), (0.5, 0.99)) * 1e3
    spent = time.perf_counter() - began
    return {"requests": len(waits), "seconds": spent, "p50_ms": float(p50), "p99_ms": float(p99), "bytes": sizes[0]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    try:
        import uvloop as loops
    except ImportError:
        loops = asyncio  # type: ignore[assignment]
    print(msgspec.json.encode(loops.run(load(given.url, given.connections, given.seconds))).decode())
