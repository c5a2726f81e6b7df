"""The read API: a hot list of 100 rows, 64 connections, a house with all its processes; beside bare Litestar.

    python -m benchmarks.read_api [--seconds N] [--rounds N]

The list is a page of a backtest's fills. The bare application has one route and nothing else and is served by the same
server: once it words 100 structs at each request, as handlers do, and once it gives ready bytes. The load comes from a
process of its own; ours and bare take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import statistics
import sys

import msgspec
from granian.constants import Interfaces
from granian.server.embed import Server
from litestar import Litestar, Response, get

from api.cli.opened import Opened, opened
from benchmarks.houses import ended, free_port, known, own_house
from benchmarks.tape_site import Result, show
from engine.feeds.simulated import SimulatedFeed, SimulatedInstrument, SimulatedMarket
from engine.recordings.importing import Importer
from engine.sessions.plan import SessionWish, StrategyWish, plan
from events.facts import SessionLimits, StartSession

ROWS = 100
LIMIT_RATIO, LIMIT_P99_MS = 0.7, 50.0
MARKET = SimulatedMarket(instruments=(SimulatedInstrument(symbol="READ", trades_per_second=20.0),), duration_s=3_600)
BARE_SECONDS_MAX = 30.0


class BareRow(msgspec.Struct, frozen=True):
    """As many fields as a fill has."""

    sequence: int = 1_234_567
    index: int = 12
    session: str = "exec_20240101_000000_abcdef"
    order: int = 4_321
    lane: int = 0
    symbol: str = "READUSDT"
    side: str = "buy"
    price: float = 100.25
    quantity: float = 1.125
    fee: float = 0.045
    realized: float = -1.5
    position: float = 2.25
    cash: float = 10_000.5
    code: str = "ENTRY"
    at: str = "2024-01-01T00:00:00.000000000Z"


async def filled(tools: Opened) -> str:
    """A backtest with more than 100 fills; its name."""
    feed = SimulatedFeed(MARKET)
    content = hashlib.blake2b(feed.survey().mapping.encode(), digest_size=32).hexdigest()
    importer = Importer(tools.connection.tape, tools.clock, tools.segments, user="admin")
    found = await importer.run(feed, content, "read benchmark", "simulated")
    await known(tools, found.recording.id)
    wish = SessionWish(
        mode="backtest",
        recording=found.recording.id,
        strategies=(StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),),
        limits=SessionLimits(cash=1e6, global_cap=1e6, order_notional=100.0, fill_ratio_max=0.0),
    )
    spec = plan(wish, "exec_read", "admin", tools.lookups.library())
    await tools.commands.send(StartSession(key="read", user="admin", spec=spec))
    await ended(tools.connection.tape, spec.session)
    return spec.session


async def loaded(url: str, seconds: float) -> dict[str, float]:
    """One turn of the load."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks._read_load", url, "--seconds", f"{seconds}", stdout=asyncio.subprocess.PIPE
    )
    told, _ = await child.communicate()
    if child.returncode:
        raise SystemExit(f"the load on {url} failed")
    return msgspec.json.decode(told, type=dict[str, float])


async def main(seconds: float, rounds: int) -> None:
    """Measure and print."""
    async with own_house() as (settings, running), opened(settings) as tools:
        session = await filled(tools)
        bare = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.read_api", "--bare", stdout=asyncio.subprocess.PIPE
        )
        assert bare.stdout is not None
        try:
            port = int(await asyncio.wait_for(bare.stdout.readline(), BARE_SECONDS_MAX))
            urls = {
                "ours": f"{running.url}/api/sessions/{session}/fills?limit={ROWS}",
                "structs": f"http://127.0.0.1:{port}/structs",
                "bytes": f"http://127.0.0.1:{port}/bytes",
            }
            found: dict[str, list[dict[str, float]]] = {name: [] for name in urls}
            for url in urls.values():
                await loaded(url, 0.5)
            for _ in range(rounds):
                for name, url in urls.items():
                    found[name].append(await loaded(url, seconds))
        finally:
            bare.terminate()
            await bare.wait()
    told(found)


def told(found: dict[str, list[dict[str, float]]]) -> None:
    """Print ours, the baselines, the ratio."""
    rate = {name: statistics.median(one["requests"] / one["seconds"] for one in each) for name, each in found.items()}
    p99 = {name: statistics.median(one["p99_ms"] for one in each) for name, each in found.items()}
    sizes = {name: int(each[0]["bytes"]) for name, each in found.items()}
    print(f"answers of {sizes['ours']:,} bytes, bare {sizes['structs']:,}; load {os.getloadavg()[0]:.1f}")
    show(
        f"A hot list of {ROWS} rows, 64 connections; bare is Litestar with one route",
        [
            Result("requests, bare words structs", rate["ours"], rate["structs"], "1/s", f"(goal {LIMIT_RATIO:g} x)"),
            Result("requests, bare gives ready bytes", rate["ours"], rate["bytes"], "1/s"),
            Result("p99, bare words structs", p99["ours"], p99["structs"], "ms", f"(goal {LIMIT_P99_MS:g})"),
            Result("p99, bare gives ready bytes", p99["ours"], p99["bytes"], "ms"),
        ],
    )


async def bare_server() -> None:
    """Bare Litestar on a free port, which is printed."""
    rows = [BareRow(index=at) for at in range(ROWS)]
    ready = msgspec.json.encode(rows)

    @get("/structs")
    async def structs() -> list[BareRow]:
        return rows

    @get("/bytes")
    async def given() -> Response[bytes]:
        return Response(ready, media_type="application/json")

    port = free_port()
    application = Litestar([structs, given], openapi_config=None)
    server = Server(application, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    await asyncio.sleep(0.5)
    print(port, flush=True)
    await serving


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    asyncio.run(bare_server() if arguments.bare else main(arguments.seconds, arguments.rounds))
