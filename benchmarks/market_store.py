"""How fast does the market store take ticks, how far is it behind, and how fast are its reads?

    .venv/bin/python -m benchmarks.market_store [--rows 1000000] [--rounds 3] [--seconds 10]

Written: frames of 8,192 trades of four instruments, until every row and every candle is visible, counted in the store.
Beside it in the same run, on the same server, the bare client: the same columns as finished data frames into a plain
table without keys and without views, until its rows are visible. Lag: 20,000 ticks a second in commits of 100 ms, from
the moment a tick is due until readers see it. Reads: the middle and the 99th percentile of 200, beside the same
statement sent by hand over one kept connection. DuckDB, for machines without the jar, is measured by the same calls.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import psutil
import structlog
from questdb import Protocol, Sender

from events.rows import MARKET_DTYPE, MarketKind, Rows, SectionKind
from projections.batch import Checkpoint
from projections.market_columns import market_columns
from projections.market_duckdb import DuckMarketStore
from projections.market_store import Interval, MarketFrame, MarketQuery, MarketStore, SessionQuery, Span
from projections.questdb.access import Access, Console
from projections.questdb.ingest import data_frame
from projections.questdb.java import cached_jar
from projections.questdb.server import QuestDbServer
from projections.questdb.store import QuestDbMarketStore
from projections.questdb.tables import CANDLE_SELECT, TICKS

START_NS = 1_700_000_000_000_000_000
DAY_NS = 86_400_000_000_000
FRAME_ROWS = 8_192
BATCH_FRAMES = 24  # what one batch of the projector holds
RATE = 20_000
COMMIT_SECONDS = 0.1
READS = 200
SOURCE = "bench"


def ticks(count: int, seconds: float) -> Rows:
    """Trades of four instruments over a stretch of event time: MARKET_DTYPE[count]."""
    chance = np.random.Generator(np.random.Philox(key=7))
    rows = np.zeros(count, MARKET_DTYPE)
    rows["ts_event_ns"] = START_NS + np.sort(chance.integers(0, round(seconds * 1e9), count))
    rows["ts_received_ns"] = rows["ts_event_ns"] + chance.integers(0, 10_000_000, count)
    rows["price"] = np.round(100 + np.cumsum(chance.normal(0, 0.01, count)), 2)
    rows["quantity"] = np.round(chance.exponential(1, count) + 1e-5, 5)
    rows["id"] = 1_000_000_000 + np.arange(count)
    rows["instrument"] = chance.integers(1, 5, count)
    rows["kind"], rows["side"] = MarketKind.TRADE, chance.choice([-1, 1], count)
    return rows


def framed(rows: Rows, first: int) -> list[MarketFrame]:
    """Frames of consecutive sequences."""
    starts = range(0, len(rows), FRAME_ROWS)
    return [MarketFrame(SOURCE, first + at, rows[start : start + FRAME_ROWS]) for at, start in enumerate(starts)]


async def written(store: MarketStore, rows: Rows) -> tuple[float, float]:
    """Rows per second until all rows, and until all candles, are visible; counted."""
    await asyncio.to_thread(store.reset)
    store.set_checkpoint(Checkpoint("bench"))
    frames = framed(rows, 1)
    began = time.perf_counter()
    for start in range(0, len(frames), BATCH_FRAMES):
        batch = frames[start : start + BATCH_FRAMES]
        await asyncio.to_thread(store.write_market, batch)
        await asyncio.to_thread(store.set_checkpoint, Checkpoint("bench", batch[-1].sequence))
    await store.wait_visible(frames[-1].sequence, seconds=600)
    seen = time.perf_counter() - began
    await store.wait_visible(frames[-1].sequence, candles=True, seconds=600)
    formed = time.perf_counter() - began
    found = await store.stats(SOURCE, 0, 2 * START_NS)
    assert found.rows["trades"].sum() == len(rows), "every tick is in a candle"
    return len(rows) / seen, len(rows) / formed


def bare(access: Access, console: Console, rows: Rows) -> float:
    """Rows per second of the client alone, until they are visible; counted."""
    console.ask("DROP TABLE IF EXISTS bare")
    columns = ", ".join(f'"{name}" {kind}' for name, kind in TICKS.columns)
    console.ask(f"CREATE TABLE bare ({columns}) TIMESTAMP(ts) PARTITION BY DAY WAL")
    frames, step = framed(rows, 1), BATCH_FRAMES
    parts = [data_frame(TICKS, market_columns(frames[at : at + step])[0]) for at in range(0, len(frames), step)]
    began = time.perf_counter()
    with Sender(
        Protocol.Http, access.host, access.port, username=access.user, password=access.password, auto_flush=False
    ) as sender:
        for part in parts:
            _send(sender, part)
        while console.ask("SELECT count() FROM bare") != [(len(rows),)]:
            time.sleep(0.005)
    return len(rows) / (time.perf_counter() - began)


def _send(sender: Sender, part: pandas.DataFrame) -> None:
    sender.dataframe(part, table_name="bare", symbols=["source", "instrument"], at="ts")
    sender.flush(transactional=True)


async def lag(store: MarketStore, seconds: float) -> np.ndarray:
    """Ages in seconds of the oldest tick that readers do not see, looked at every 20 ms: float64[n]."""
    await asyncio.to_thread(store.reset)
    store.set_checkpoint(Checkpoint("bench"))
    count = round(RATE * COMMIT_SECONDS)
    rows = ticks(round(RATE * seconds), seconds)
    commits = round(seconds / COMMIT_SECONDS)
    began = time.perf_counter()

    def write() -> None:
        for number in range(commits):
            time.sleep(max(0.0, began + (number + 1) * COMMIT_SECONDS - time.perf_counter()))
            store.write_market([MarketFrame(SOURCE, number + 1, rows[number * count : (number + 1) * count])])
            store.set_checkpoint(Checkpoint("bench", number + 1))

    writing = asyncio.create_task(asyncio.to_thread(write))
    ages = []
    while not writing.done():
        await asyncio.sleep(0.02)
        visible = await store.visible()
        if visible < commits:
            ages.append(time.perf_counter() - (began + visible * COMMIT_SECONDS))
    await writing
    return np.array(ages)


async def timed(question: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Middle and 99th percentile of a read, milliseconds."""
    times = []
    for _ in range(READS):
        began = time.perf_counter()
        await question()
        times.append((time.perf_counter() - began) * 1000)
    return float(np.percentile(times, 50)), float(np.percentile(times, 99))


def reads(store: MarketStore, last: int, until_ns: int) -> dict[str, Callable[[], Awaitable[Any]]]:
    """The reads that a front end makes."""
    newest = MarketQuery(SOURCE, 2, Span(limit=100))
    candles = MarketQuery(SOURCE, 2, Span(limit=200))
    session = SessionQuery("none", Span(limit=100))
    past = MarketQuery(SOURCE, 2, Span(limit=200), as_of=last - last // 3)
    return {
        "newest 100 ticks": lambda: store.ticks(newest),
        "200 candles of 1m": lambda: store.candles(candles, Interval.M1),
        "the same as of an earlier sequence": lambda: store.candles(past, Interval.M1),
        "newest price of each instrument": lambda: store.prices(SOURCE),
        "24 h statistics": lambda: store.stats(SOURCE, until_ns - DAY_NS, until_ns),
        "fills of a session that has none": lambda: store.decisions(SectionKind.FILL, session),
    }


BY_HAND = {
    "newest 100 ticks": f"SELECT {TICKS.select} FROM ticks WHERE source = 'bench' AND instrument = '2' "
    "ORDER BY ts DESC LIMIT 100",
    "200 candles of 1m": f"SELECT {CANDLE_SELECT} FROM candles_1m WHERE source = 'bench' AND instrument = '2' "
    "ORDER BY ts DESC LIMIT 200",
}


async def print_writes(found: dict[str, MarketStore], access: Access | None, options: argparse.Namespace) -> None:
    """A line a round and store."""
    rows = ticks(options.rows, 6 * 3600)
    print(f"\n{'written':<10}{'rows/s visible':>16}{'with candles':>14}{'bare client':>13}{'ratio':>7}")
    console = Console(access, pool_max=1, seconds_max=60.0) if access else None
    for round_number in range(options.rounds + 1):
        for kind, store in found.items():
            seen, formed = await written(store, rows)
            line = f"{kind:<10}{seen:>16,.0f}{formed:>14,.0f}"
            if kind == "QuestDB" and access and console:
                alone = await asyncio.to_thread(bare, access, console, rows)
                line += f"{alone:>13,.0f}{seen / alone:>7.2f}"
            print(line + ("   (first run: Java is still compiling)" if not round_number else ""), flush=True)
    if console:
        console.ask("DROP TABLE IF EXISTS bare")
        console.close()


async def print_reads(found: dict[str, MarketStore], access: Access | None, options: argparse.Namespace) -> None:
    """A line a read and store."""
    rows = ticks(options.rows, 6 * 3600)
    last, until = -(-len(rows) // FRAME_ROWS), int(rows["ts_event_ns"][-1]) + 1
    print(f"\n{'read':<36}{'store':<9}{'p50 ms':>8}{'p99 ms':>8}{'by hand p50':>13}{'ratio':>7}")
    for kind, store in found.items():
        await written(store, rows)
        console = Console(access, pool_max=1, seconds_max=60.0) if access and kind == "QuestDB" else None
        for name, question in reads(store, last, until).items():
            middle, late = await timed(question)
            line = f"{name:<36}{kind:<9}{middle:>8.2f}{late:>8.2f}"
            if console and name in BY_HAND:
                hand, _ = await timed(partial(asyncio.to_thread, console.ask, BY_HAND[name]))
                line += f"{hand:>13.2f}{middle / hand:>7.2f}"
            print(line, flush=True)
        if console:
            console.close()


async def measure(options: argparse.Namespace) -> None:
    """Print all tables."""
    with tempfile.TemporaryDirectory() as name:
        server, access = None, None
        found: dict[str, MarketStore] = {"DuckDB": DuckMarketStore(Path(name) / "market.duckdb")}
        if cached_jar() is not None:
            server = QuestDbServer(Path(name) / "questdb")
            began = time.perf_counter()
            access = await server.start()
            print(f"QuestDB started in {time.perf_counter() - began:.1f} s, {_rss(server)} MB")
            found["QuestDB"] = QuestDbMarketStore(access)
        await print_writes(found, access, options)
        print(f"\n{'lag':<10}{'ticks/s':>9}{'p50 ms':>8}{'p99 ms':>8}{'max ms':>8}")
        for kind, store in found.items():
            ages = await lag(store, options.seconds) * 1000
            print(f"{kind:<10}{RATE:>9,}{np.median(ages):>8.0f}{np.percentile(ages, 99):>8.0f}{ages.max():>8.0f}")
        await print_reads(found, access, options)
        for store in found.values():
            await store.close()
        if server is not None:
            print(f"\nQuestDB holds {_rss(server)} MB at the end")
            await server.stop()


def _rss(server: QuestDbServer) -> int:
    return psutil.Process(server.pid).memory_info().rss >> 20


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=10.0)
    chosen = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    asyncio.run(measure(chosen))


if __name__ == "__main__":
    main()
