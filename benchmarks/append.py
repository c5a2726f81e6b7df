"""How fast rows become durable on the tape: one alone, in a burst, in bulk; each beside a bare nats-py loop.

    python -m benchmarks.append [--rounds N]

Ours includes making the frame (dtype, NaN check, copy), the fence and the read-back protocol; the bare loop publishes
ready-made bytes of the same size without a fence. Rounds alternate, so that both see the same disk.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Iterator

from nats.aio.msg import Msg

from benchmarks.tape_site import BARE_STREAM, FRAME_ROWS, Result, Site, middle, percentile, rows, show, site
from events import frames
from events.families import MarketFamily
from events.frames import Section
from events.tape import CONTENT_TYPE, FRAME_TYPE, MESSAGE_ID, Append, Message
from events.writer import FencedWriter

LONE = 150  # messages of one row in each round
BURST_ROWS = 40_000  # rows put one by one in each round
BULK_FRAMES = 64
WINDOW = 8
HEADERS = {CONTENT_TYPE: FRAME_TYPE}


async def lone(place: Site, number: int) -> tuple[list[float], list[float]]:
    """Milliseconds from a row to its confirmation: through the writer, and bare."""
    source = f"lone{number}"
    writer = FencedWriter(place.tape, MarketFamily(source), 0)
    body = frames.encode([rows(1)])
    ours, bare = [], []
    for at in range(LONE):
        began = time.perf_counter()
        await writer.put(rows(1, at))
        await writer.flush()
        middle_of = time.perf_counter()
        await place.bare.publish("bare.x", body, headers={**HEADERS, MESSAGE_ID: f"{source}:{at}"})
        ours.append((middle_of - began) * 1e3)
        bare.append((time.perf_counter() - middle_of) * 1e3)
    await writer.close()
    return ours, bare


async def heard(place: Site, number: int) -> tuple[list[float], list[float]]:
    """Milliseconds from a row to a tail's callback: append and tail of ours, and bare publish and ordered push."""
    source, body, arrived = f"heard{number}", frames.encode([rows(1)]), asyncio.Event()

    async def hear(_: Message) -> None:
        arrived.set()

    async def bare_hear(_: Msg) -> None:
        arrived.set()

    async def one(publish: Awaitable[object], began: float) -> float:
        arrived.clear()
        await publish
        await arrived.wait()
        return (time.perf_counter() - began) * 1e3

    tail = await place.tape.tail((await place.tape.info()).last + 1, hear, subjects=(f"tape.market.{source}",))
    pushed = await place.bare.subscribe(f"bare.{source}", stream=BARE_STREAM, cb=bare_hear, ordered_consumer=True)
    ours, bare = [], []
    for at in range(LONE):
        message = Append(f"tape.market.{source}", body, f"{source}:{at}", HEADERS)
        ours.append(await one(place.tape.append(message), time.perf_counter()))
        publish = place.bare.publish(f"bare.{source}", body, headers={**HEADERS, MESSAGE_ID: f"{source}:{at}"})
        bare.append(await one(publish, time.perf_counter()))
    await tail.close()
    await pushed.unsubscribe()
    return ours, bare


async def burst(place: Site, number: int) -> tuple[float, float, int]:
    """Rows a second put one by one: group-committed, and bare one message a row; messages of ours."""
    writer = FencedWriter(place.tape, MarketFamily(f"burst{number}"), 0)
    singles = [rows(1, at) for at in range(BURST_ROWS)]
    began = time.perf_counter()
    for single in singles:
        await writer.put(single)
    await writer.flush()
    ours = BURST_ROWS / (time.perf_counter() - began)
    await writer.close()
    body = frames.encode([rows(1)])
    began = time.perf_counter()
    for at in range(LONE):
        await place.bare.publish("bare.x", body, headers={**HEADERS, MESSAGE_ID: f"burst{number}:{at}"})
    return ours, LONE / (time.perf_counter() - began), writer.messages


def frames_of(sections: list[Section], source: str) -> Iterator[Append]:
    """Frames made while they are sent."""
    for section in sections:
        yield Append(f"tape.market.{source}", frames.encode([section]), f"{source}:{section.ordinal}", HEADERS)


async def bulk(place: Site, number: int) -> tuple[float, float, float]:
    """Rows a second of 512 KB frames from memory: append_bulk, bare one after the other, bare windowed."""
    sections = [rows(FRAME_ROWS, at * FRAME_ROWS) for at in range(BULK_FRAMES)]
    count = FRAME_ROWS * BULK_FRAMES
    began = time.perf_counter()
    await place.tape.append_bulk(frames_of(sections, f"bulk{number}"), window=WINDOW)
    ours = count / (time.perf_counter() - began)
    body = frames.encode(sections[:1])
    began = time.perf_counter()
    for at in range(BULK_FRAMES):
        await place.bare.publish("bare.x", body, headers={**HEADERS, MESSAGE_ID: f"bulk{number}:{at}"})
    one_by_one = count / (time.perf_counter() - began)
    room = asyncio.Semaphore(WINDOW)

    async def publish(at: int) -> None:
        async with room:
            await place.bare.publish("bare.x", body, headers={**HEADERS, MESSAGE_ID: f"window{number}:{at}"})

    began = time.perf_counter()
    await asyncio.gather(*(publish(at) for at in range(BULK_FRAMES)))
    return ours, one_by_one, count / (time.perf_counter() - began)


async def main(rounds: int) -> None:
    """Measure and print."""
    async with site() as place:
        ours, bare = [], []
        for number in range(rounds):
            one, other = await lone(place, number)
            ours += one
            bare += other
        pairs = [await heard(place, number) for number in range(rounds)]
        bursts = [await burst(place, number) for number in range(rounds)]
        bulks = [await bulk(place, number) for number in range(rounds)]
    messages = middle([float(each[2]) for each in bursts])
    burst_ours, burst_bare = middle([each[0] for each in bursts]), middle([each[1] for each in bursts])
    fast, one_by_one, windowed = (middle([each[at] / 1e6 for each in bulks]) for at in range(3))
    show(
        f"Append, synced to disk, median of {rounds} rounds",
        [
            Result("one row alone, p50", middle(ours), middle(bare), "ms"),
            Result("one row alone, p99", percentile(ours, 0.99), percentile(bare, 0.99), "ms"),
            Result("one message to a tail's callback, p50", *through(pairs, 0.5), "ms"),
            Result("one message to a tail's callback, p99", *through(pairs, 0.99), "ms"),
            Result("rows put one by one", burst_ours, burst_bare, "rows/s", f"(ours in {messages:.0f} messages)"),
            Result("bulk, 512 KB frames / bare one after another", fast, one_by_one, "M rows/s"),
            Result(f"bulk, 512 KB frames / bare {WINDOW} in flight", fast, windowed, "M rows/s"),
        ],
    )


def through(pairs: list[tuple[list[float], list[float]]], share: float) -> tuple[float, float]:
    """A percentile of ours and of the bare loop over all rounds."""
    ours = [value for each, _ in pairs for value in each]
    bare = [value for _, each in pairs for value in each]
    return percentile(ours, share), percentile(bare, share)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(main(parser.parse_args().rounds))
