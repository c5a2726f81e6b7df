"""How far are reads of the market store behind the tape, and how fast is it built?

    .venv/bin/python -m benchmarks.market_lag [--ticks-per-second 20000] [--seconds 10] [--bulk 1000000]

Ticks of two instruments go to a tape in memory in frames of 5 ms, as a live feed's group commit makes them, and a
`MarketProjection` brings them to the store. Lag is the time from an append to the moment at which readers see it, asked
every 50 ms. Then a recording in frames of 8,192 rows is projected as fast as it goes. QuestDB where its jar is in the
cache folder, and DuckDB.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import structlog

from events import frames, subjects
from events.frames import Section
from events.memory_tape import MemoryTape
from events.rows import MARKET_DTYPE, MarketKind, Rows, SectionKind
from events.tape import Append
from projections.market_duckdb import DuckMarketStore
from projections.market_projection import MarketProjection
from projections.market_store import MarketStore
from projections.questdb.java import QuestDbSettings, cached_jar
from projections.questdb.server import QuestDbServer
from projections.questdb.store import QuestDbMarketStore
from projections.runner import ProjectionRunner, RunnerSettings

NS = 1_000_000_000
START_NS = 1_700_000_000 * NS
FRAME_SECONDS = 0.005
BULK_FRAME_ROWS = 8_192
SETTINGS = RunnerSettings(batch_bytes_max=4_194_304, linger_seconds=0.1)


def ticks(first: int, count: int) -> Rows:
    """Trades of two instruments, 50 µs apart."""
    number = np.arange(first, first + count)
    rows = np.zeros(count, MARKET_DTYPE)
    rows["ts_event_ns"] = rows["ts_received_ns"] = START_NS + number * 50_000
    rows["price"] = 100 + np.sin(number / 1000)
    rows["quantity"] = 1 + number % 7
    rows["id"] = number
    rows["instrument"] = number % 2 + 1
    rows["kind"], rows["side"] = MarketKind.TRADE, 1
    return rows


def frame(first: int, count: int) -> Append:
    """One frame of the source."""
    body = frames.encode([Section(SectionKind.MARKET, ticks(first, count), first)])
    return Append(subjects.market("bench"), body, f"bench:{first}")


async def live(tape: MemoryTape, store: MarketStore, rate: int, seconds: float) -> list[float]:
    """Lags in seconds, one each 50 ms, while `rate` ticks a second arrive."""
    appended: dict[int, float] = {}
    lags: list[float] = []
    per_frame = round(rate * FRAME_SECONDS)
    began = time.perf_counter()

    async def feed() -> None:
        for number in range(round(seconds / FRAME_SECONDS)):
            due = began + number * FRAME_SECONDS
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            appended[await tape.append(frame(number * per_frame, per_frame))] = time.perf_counter()

    async def look() -> None:
        while True:
            await asyncio.sleep(0.05)
            visible = await store.visible()
            behind = [when for sequence, when in appended.items() if sequence > visible]
            lags.append(time.perf_counter() - min(behind) if behind else 0.0)

    looking = asyncio.create_task(look())
    await feed()
    await store.wait_visible(max(appended), seconds=60)
    looking.cancel()
    return lags


async def bulk(tape: MemoryTape, store: MarketStore, first: int, count: int) -> float:
    """Ticks per second of a recording that lies on the tape, until readers see it."""
    runner = ProjectionRunner(tape, [MarketProjection(store)], SETTINGS)
    for start in range(first, first + count, BULK_FRAME_ROWS):
        last = await tape.append(frame(start, min(BULK_FRAME_ROWS, first + count - start)))
    began = time.perf_counter()
    await runner.start()
    await store.wait_visible(last, seconds=600)
    seconds = time.perf_counter() - began
    await runner.close()
    return count / seconds


@asynccontextmanager
async def stores(folder: Path) -> AsyncIterator[dict[str, MarketStore]]:
    """What can be had here."""
    found: dict[str, MarketStore] = {"DuckDB": DuckMarketStore(folder / "market.duckdb")}
    server = None
    if (jar := cached_jar()) is not None:
        server = QuestDbServer(folder / "questdb", QuestDbSettings(jar=str(jar)))
        found["QuestDB"] = QuestDbMarketStore(await server.start())
    for store in found.values():
        store.create()
    yield found
    for store in found.values():
        await store.close()
    if server is not None:
        await server.stop()


async def measure(rate: int, seconds: float, count: int) -> None:
    """Print one line a store."""
    print(f"{'store':<10}{'ticks/s fed':>12}{'lag p50 ms':>12}{'p99 ms':>9}{'max ms':>9}{'bulk ticks/s':>14}")
    with tempfile.TemporaryDirectory() as name:
        async with stores(Path(name)) as found:
            for kind, store in found.items():
                tape = MemoryTape()
                runner = ProjectionRunner(tape, [MarketProjection(store)], SETTINGS)
                await runner.start()
                lags = np.array(await live(tape, store, rate, seconds)) * 1000
                await runner.close()
                speed = await bulk(tape, store, 10**9, count)
                p50, p99 = np.percentile(lags, [50, 99])
                print(f"{kind:<10}{rate:>12,}{p50:>12.0f}{p99:>9.0f}{lags.max():>9.0f}{speed:>14,.0f}", flush=True)
                await tape.close()


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--ticks-per-second", type=int, default=20_000)
    options.add_argument("--seconds", type=float, default=10.0)
    options.add_argument("--bulk", type=int, default=1_000_000)
    chosen = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    asyncio.run(measure(chosen.ticks_per_second, chosen.seconds, chosen.bulk))


if __name__ == "__main__":
    main()
