"""How soon an API process answers: from its start to the first answer, and to the first read of the read model.

    python -m benchmarks.api_start [--runs N]

A house with all its processes runs and has a recording and a backtest; one more API process is started on it again and
again, each time on the copy of the read model that it had. The clock runs from the start of the interpreter until
`/api/health` says 200, and until a page of the backtest's fills is given. The baseline of the same run is a bare
Litestar application of one route on the same HTTP server, in a fresh interpreter; ours and bare take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import httpx
import msgspec

from api.cli.opened import opened
from api.settings import Settings
from benchmarks.houses import free_port, own_house
from benchmarks.processes import use_of
from benchmarks.read_api import filled
from benchmarks.tape_site import Result, middle, show
from events.children import die_with_parent

LIMIT_SECONDS = 2.0
SECONDS_MAX, LOOK_SECONDS = 60.0, 0.005
IMPORTS = "import api.processes.serving"
BARE = """
import asyncio, sys
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar, get
@get("/api/health")
async def health() -> dict[str, bool]:
    return {"ready": True}
application = Litestar([health], openapi_config=None)
server = Server(application, address="127.0.0.1", port=int(sys.argv[1]), interface=Interfaces.ASGI, log_enabled=False)
asyncio.run(server.serve())
"""


class Start(NamedTuple):
    """One start, seconds; CPU seconds and MiB (RSS) of the process when all was answered."""

    health: float
    read: float
    cpu: float
    rss: float


def started(command: Sequence[str], env: Mapping[str, str], urls: Sequence[str]) -> Start:
    """Start a server, ask each address in turn until it says 200, and end it. Raises SystemExit: it does not."""
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, *command],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - between fork and exec only prctl is called
    )
    try:
        times = [_answered(url, began, child) for url in urls]
        use = use_of(child.pid)
        assert use is not None
        return Start(times[0], times[-1], use.cpu_seconds, use.rss_mb)
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(SECONDS_MAX)


def _answered(url: str, began: float, child: subprocess.Popen[bytes]) -> float:
    while time.perf_counter() - began < SECONDS_MAX:
        try:
            if httpx.get(url, timeout=SECONDS_MAX).status_code == httpx.codes.OK:
                return time.perf_counter() - began
        except httpx.TransportError:
            pass
        if child.poll() is not None:
            raise SystemExit(f"the process for {url} ended with {child.returncode}")
        time.sleep(LOOK_SECONDS)
    raise SystemExit(f"{url} did not answer within {SECONDS_MAX:g} s")


def ours(settings: Settings, session: str) -> Start:
    """One more API process of a house."""
    port = free_port()
    own = msgspec.structs.replace(settings, api=msgspec.structs.replace(settings.api, port=port))
    env = {**os.environ, "TAPEDECK_SETTINGS": msgspec.json.encode(own).decode()}
    url = f"http://127.0.0.1:{port}/api"
    command = ("-m", "api.cli", "run", "api", "--name", "api-start")
    return started(command, env, (f"{url}/health", f"{url}/sessions/{session}/fills"))


def bare() -> Start:
    """The application of one route."""
    port = free_port()
    return started(("-c", BARE, str(port)), os.environ, (f"http://127.0.0.1:{port}/api/health",))


def imports() -> float:
    """Seconds of an interpreter that imports what an API process does, and ends."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.perf_counter() - began


async def main(runs: int) -> None:
    """Measure and print."""
    async with own_house() as (settings, _), opened(settings) as tools:
        session = await filled(tools)
        await asyncio.to_thread(ours, settings, session)  # makes its copy of the read model
        turns = [await asyncio.to_thread(lambda: (ours(settings, session), bare(), imports())) for _ in range(runs)]
    own, other = [turn[0] for turn in turns], [turn[1] for turn in turns]
    told = [
        ("to the first answer", "health", "s"),
        ("to the first read of the read model", "read", "s"),
        ("CPU of the process by then", "cpu", "s"),
        ("memory by then", "rss", "MiB"),
    ]
    show(
        f"Start of an API process, median of {runs}; load {os.getloadavg()[0]:.1f}; its imports alone "
        f"{middle([turn[2] for turn in turns]):.2f} s",
        [
            Result(
                what,
                middle([getattr(one, field) for one in own]),
                middle([getattr(one, field) for one in other]),
                unit,
                _verdict(own) if field == "read" else "",
            )
            for what, field, unit in told
        ],
    )


def _verdict(own: Sequence[Start]) -> str:
    met = middle([one.read for one in own]) <= LIMIT_SECONDS
    return f"(goal {LIMIT_SECONDS:g}: {'met' if met else 'NOT met'})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    asyncio.run(main(parser.parse_args().runs))
