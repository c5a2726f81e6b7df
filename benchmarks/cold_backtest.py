"""W1 read from the tape, cold: an imported recording, the same from segments, and a live one of small messages.

    python -m benchmarks.cold_backtest [--runs N]

Each run reads, decodes and decides a million rows through the reader and the loop of a session, with a reader that has
seen nothing (the files may be in the page cache). The baseline of the same run is nats-py alone: it reads the same
messages and decodes nothing; for segments, numpy that reads the same file into memory.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
from nats.js.api import AckPolicy, ConsumerConfig

from benchmarks.tape_site import FRAME_ROWS, Site, site
from benchmarks.w1 import STEP_ROWS, simulated_ticks, w1_spec
from engine.loop.decision_loop import DecisionLoop
from engine.recordings.reading import RecordingReader, Window
from engine.recordings.segments import Segments
from engine.strategies.registry import discover
from events import frames
from events.facts import Place
from events.frames import Section
from events.rows import MARKET_DTYPE, Rows, SectionKind
from events.tape import CONTENT_TYPE, FRAME_TYPE, Append

HEADERS = {CONTENT_TYPE: FRAME_TYPE}
GOAL_TAPE, GOAL_SEGMENTS = 6.0, 40.0
LIVE_MESSAGES = 20_000
LIVE_ROWS = 2  # of a message
FETCH = 64
REGISTRY = discover()


async def fill(place: Site, source: str, rows: Rows, size: int) -> Window:
    """Rows in messages of so many; the window of all."""
    messages = (
        Append(
            f"tape.market.{source}", frames.encode([Section(SectionKind.MARKET, part, at)]), f"{source}:{at}", HEADERS
        )
        for at in range(0, len(rows), size)
        if len(part := rows[at : at + size])
    )
    sequences = await place.tape.append_bulk(messages)
    return Window(source, Place(sequences[0], 0), Place(sequences[-1], (len(rows) - 1) % size))


async def replay(place: Site, window: Window, segments: Segments | None) -> int:
    """A session's reading and deciding from nothing; rows."""
    loop, rows = DecisionLoop(w1_spec(), REGISTRY), 0
    async for item in RecordingReader(place.tape, segments).read(window):
        for at in range(0, len(item.rows), STEP_ROWS):
            loop.advance(item.rows[at : at + STEP_ROWS])
        rows += len(item.rows)
    return rows


async def bare(place: Site, source: str, messages: int) -> None:
    """nats-py's pull consumer over the same messages."""
    config = ConsumerConfig(ack_policy=AckPolicy.NONE, inactive_threshold=60.0, mem_storage=True)
    pulled = await place.bare.pull_subscribe(f"tape.market.{source}", stream="TAPE", config=config)
    seen = 0
    while seen < messages:
        seen += len(await pulled.fetch(min(FETCH, messages - seen), timeout=10))
    await pulled.unsubscribe()


def read_files(folder: Path) -> None:
    """Every segment's rows into memory."""
    for path in folder.rglob("*.rows"):
        np.fromfile(path, MARKET_DTYPE)


async def best(runs: int, play: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Wall and CPU seconds of this process in the best of some runs."""
    wall = used = float("inf")
    for _ in range(runs):
        began, spent = time.perf_counter(), time.process_time()
        await play()
        wall, used = min(wall, time.perf_counter() - began), min(used, time.process_time() - spent)
    return wall, used


def told(
    what: str, count: float, ours: tuple[float, float], floor: tuple[float, float], unit: str, goal: float
) -> None:
    """One line of the table."""
    met = "" if not goal else f"  goal {goal:g}: {'met' if count / ours[0] >= goal else 'NOT met'}"
    speeds = [count / seconds for seconds in (*ours, floor[0])]
    print(f"{what:<34}{speeds[0]:>9.1f}{speeds[1]:>13.1f}{speeds[2]:>9.1f}{speeds[0] / speeds[2]:>8.2f}  {unit}{met}")


async def main(runs: int) -> None:
    """Measure and print."""
    rows = simulated_ticks()
    live = rows[: LIVE_MESSAGES * LIVE_ROWS]
    with tempfile.TemporaryDirectory(prefix="tapedeck-bench-") as folder:
        async with site() as place:
            whole = await fill(place, "whole", rows, FRAME_ROWS)
            small = await fill(place, "small", live, LIVE_ROWS)
            frames_of_whole = -(-len(rows) // FRAME_ROWS)
            assert await replay(place, whole, Segments(Path(folder), "bench")) == len(rows)  # leaves segments

            async def from_segments() -> int:
                return await replay(place, whole, Segments(Path(folder), "bench"))

            async def from_file() -> None:
                read_files(Path(folder))

            print(f"W1 cold, {len(rows) / 1e6:g} M rows, best of {runs}; load {os.getloadavg()[0]:.1f}")
            print(f"{'what':<34}{'ours':>9}{'per CPU s':>13}{'bare':>9}{'ratio':>8}")
            millions = len(rows) / 1e6
            ours = await best(runs, lambda: replay(place, whole, None))
            floor = await best(runs, lambda: bare(place, "whole", frames_of_whole))
            told("imported recording, tape", millions, ours, floor, "M rows/s", GOAL_TAPE)
            ours, floor = await best(runs, from_segments), await best(runs, from_file)
            told("segments, load included", millions, ours, floor, "M rows/s", GOAL_SEGMENTS)
            ours = await best(runs, lambda: replay(place, small, None))
            floor = await best(runs, lambda: bare(place, "small", LIVE_MESSAGES))
            told(f"live, {LIVE_ROWS} rows a message", LIVE_MESSAGES / 1e3, ours, floor, "k messages/s", 0.0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    asyncio.run(main(parser.parse_args().runs))
