"""How long a backtest takes from the request to its result, through the queue, over recorded hourly bars.

    python -m benchmarks.job_latency [--data FOLDER] [--runs N]

A whole house on a fresh tape: the API takes `POST /api/backtests/run`, a worker process claims the job, runs its
session and writes the result; the clock stops when `GET /api/backtests/{id}` shows it. Below it the steps of the last
run, by the tape's own append times. The first run loads the compiled loop. `FOLDER` is that of the recorded markets
(default: TAPEDECK_DATA_DIR, else ../shared/data).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from api.cli.running import reached
from api.places import Places
from api.settings import Settings
from benchmarks.houses import own_house
from engine.feeds.file_feed import FileFeed
from engine.feeds.mapping import Mapping
from engine.recordings.importing import Importer
from engine.recordings.segments import Segments
from events import codec, subjects
from events.clock import iso

SECONDS_MAX = 2.0  # what a backtest through the queue may take
POLL_SECONDS = 0.01


class Market(NamedTuple):
    """A file of hourly bars."""

    file: str
    mapping: Mapping
    symbol: str


MARKETS = (
    Market("fx_h1/mt5_EURUSD_H1.csv.gz", Mapping(symbol="EURUSD", zone="UTC"), "EURUSD"),
    Market("crypto_ohlcv/binance_BTCUSDT_1h_2022_2025.csv.gz", Mapping(symbol="BTCUSDT"), "BTCUSDT"),
)
STEPS = ("JobQueued", "JobClaimed", "SessionStarted", "SessionClaimed", "SessionEnded", "JobCompleted")
NS = 1_000_000_000


async def measure(folder: Path, runs: int) -> list[tuple[str, int, list[float], dict[str, float]]]:
    """Symbol, rows, seconds of each run, and the steps of the last, of every market that is there."""
    found = []
    async with own_house() as (settings, running), httpx.AsyncClient(base_url=running.url, timeout=60) as client:
        client.headers["Authorization"] = f"Bearer {await _login(client, settings)}"
        for market in MARKETS:
            if not (folder / market.file).exists():
                print(f"{market.file} is not here")
                continue
            span = await _import(settings, folder / market.file, market)
            results = [await _run(client, market.symbol, span, number) for number in range(runs)]
            steps = await _steps(settings, results[-1][1]["id"])
            found.append((market.symbol, results[-1][1]["rows"], [one[0] for one in results], steps))
    return found


async def _login(client: httpx.AsyncClient, settings: Settings) -> str:
    password = Places(settings.folder).password.read_text().strip()
    answer = await client.post("/api/auth/login", json={"username": "admin", "password": password})
    token: str = answer.json()["access_token"]
    return token


async def _import(settings: Settings, file: Path, market: Market) -> tuple[str, str]:
    """Import a file; the whole range of it as the contract names one."""
    async with reached(settings) as line:
        feed = FileFeed(file, market.mapping)
        importer = Importer(line.tape, line.clock, Segments(line.places.segments, line.tape.epoch), "admin")
        imported = await importer.run(feed, feed.import_id(), file.name)
    whole = imported.recording.whole()
    return iso(whole.first_event_ns), iso(whole.last_event_ns + NS)


async def _run(
    client: httpx.AsyncClient, symbol: str, span: tuple[str, str], seed: int
) -> tuple[float, dict[str, Any]]:
    body = {
        "strategy": "ema_cross",
        "symbol": symbol,
        "start_date": span[0],
        "end_date": span[1],
        "params": {"fast": 50, "slow": 200},
        "seed": seed,
    }
    began = time.perf_counter()
    answer = await client.post("/api/backtests/run", json=body)
    answer.raise_for_status()
    while True:
        found: dict[str, Any] = (await client.get(f"/api/backtests/{answer.json()['backtest_id']}")).json()
        if found["status"] == "success":
            return time.perf_counter() - began, found
        if found["status"] == "failed":
            raise SystemExit(found["error"])
        await asyncio.sleep(POLL_SECONDS)


async def _steps(settings: Settings, job: str) -> dict[str, float]:
    """Seconds between the facts of a job, by the tape's clock."""
    at: dict[str, int] = {}
    async with reached(settings) as line:
        async for message in line.tape.read(1, subjects=(subjects.job(job), f"tape.research.{job}.fact")):
            at[type(codec.decode(message.body, message.sequence)).__name__] = message.appended_ns
    return {f"to {name}": (at[name] - at[before]) / NS for before, name in pairwise(STEPS)}


def main() -> int:
    """Print the table; 1 where a market took too long."""
    shared = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TAPEDECK_DATA_DIR") or shared))
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    found = asyncio.run(measure(given.data, given.runs))
    slow = 0
    for symbol, rows, seconds, steps in found:
        middle = statistics.median(seconds)
        slow += middle > SECONDS_MAX
        listed = ", ".join(f"{one:.2f}" for one in seconds)
        print(f"{symbol:<10}{rows:>9,} rows  median {middle:.2f} s of {listed}; due under {SECONDS_MAX:g} s")
        print("          " + ", ".join(f"{name} {value * 1000:.0f} ms" for name, value in steps.items()))
    return 1 if slow else 0


if __name__ == "__main__":
    raise SystemExit(main())
