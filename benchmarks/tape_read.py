"""How fast a tape is read back: frames of a recording and small messages, beside bare nats-py consumers.

    python -m benchmarks.tape_read [--rounds N]

Ours is `tape.read` (a pull consumer with bounded prefetch, gaps checked), with and without decoding the rows. The
bare loops are nats-py's pull `fetch` and its ordered push consumer with a callback, on the same messages.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from benchmarks.tape_site import FRAME_ROWS, Result, Site, middle, rows, show, site
from events import frames
from events.frames import Section
from events.seal import chain
from events.seal.chain import Chain
from events.tape import CONTENT_TYPE, FRAME_TYPE, Append

FRAMES = 256
SMALL_ROWS = 1_250  # 60 KB
SMALL_FRAMES = 1_000
FACTS = 10_000
BATCH = 64


async def fill(place: Site) -> dict[str, int]:
    """Subjects with messages of each size; subject -> messages."""
    headers = {CONTENT_TYPE: FRAME_TYPE}
    for source, count, size in (("large", FRAMES, FRAME_ROWS), ("small", SMALL_FRAMES, SMALL_ROWS)):
        body = frames.encode([rows(size)])
        await place.tape.append_bulk(
            Append(f"tape.market.{source}", body, f"{source}:{at}", headers) for at in range(count)
        )
    for first in range(0, FACTS, 500):
        await place.tape.append_atomic(
            [Append("tape.session.a.fact", b"f" * 300, f"f-{first + at}", headers) for at in range(500)]
        )
    return {"tape.market.large": FRAMES, "tape.market.small": SMALL_FRAMES, "tape.session.a.fact": FACTS}


async def ours(place: Site, subject: str, count: int) -> None:
    """Every message of the subject."""
    read = 0
    async for _ in place.tape.read(subjects=(subject,)):
        read += 1
    assert read == count


async def ours_decoded(place: Site, subject: str, count: int) -> None:
    """Every message, its rows decoded and checked."""
    read = 0
    async for message in place.tape.read(subjects=(subject,)):
        sections: list[Section] = frames.decode(message.body, message.sequence)
        read += bool(len(sections[0].rows))
    assert read == count


async def ours_hashed(place: Site, subject: str, count: int) -> None:
    """Every message, hashed as the seal does."""
    link = bytes.fromhex(chain.start("bench").hash)
    read = 0
    async for message in place.tape.read(subjects=(subject,)):
        link = chain.link(link, message)
        read += 1
    assert read == count
    assert len(link) == len(bytes.fromhex(Chain(chain.start("bench")).point.hash))


async def bare_pull(place: Site, subject: str, count: int) -> None:
    """nats-py's pull consumer, fetching batches one after the other."""
    config = ConsumerConfig(ack_policy=AckPolicy.NONE, mem_storage=True)
    subscription = await place.bare.pull_subscribe(subject, stream="TAPE", config=config)
    read = 0
    while read < count:
        read += len(await subscription.fetch(BATCH, timeout=30))
    await subscription.unsubscribe()


async def bare_push(place: Site, subject: str, count: int) -> None:
    """nats-py's ordered push consumer with a callback."""
    done = asyncio.Event()
    read = 0

    async def take(_: Msg) -> None:
        nonlocal read
        read += 1
        if read == count:
            done.set()

    subscription = await place.bare.subscribe(subject, stream="TAPE", cb=take, ordered_consumer=True)
    await done.wait()
    await subscription.unsubscribe()


async def seconds(read: Callable[[Site, str, int], Awaitable[None]], place: Site, subject: str, count: int) -> float:
    """How long one reading takes."""
    began = time.perf_counter()
    await read(place, subject, count)
    return time.perf_counter() - began


async def main(rounds: int) -> None:
    """Measure and print."""
    readers = (ours, ours_decoded, ours_hashed, bare_pull, bare_push)
    took: dict[tuple[str, str], list[float]] = {}
    async with site() as place:
        counts = await fill(place)
        for _ in range(rounds):
            for subject, count in counts.items():
                for reader in readers:
                    if reader is not ours_decoded or "market" in subject:
                        took.setdefault((subject, reader.__name__), []).append(
                            await seconds(reader, place, subject, count)
                        )
    units = (
        ("tape.market.large", "512 KB frames", FRAMES * FRAME_ROWS / 1e6, "M rows/s"),
        ("tape.market.small", "60 KB frames", SMALL_FRAMES * SMALL_ROWS / 1e6, "M rows/s"),
        ("tape.session.a.fact", "300 B facts", FACTS / 1e3, "k messages/s"),
    )
    results = []
    for subject, what, amount, unit in units:
        bare = amount / min(middle(took[subject, "bare_pull"]), middle(took[subject, "bare_push"]))
        for name, note in (("ours", "read"), ("ours_decoded", "read and decoded"), ("ours_hashed", "read and hashed")):
            if (subject, name) in took:
                results.append(Result(f"{what}, {note}", amount / middle(took[subject, name]), bare, unit))
    show(f"Read, median of {rounds} rounds; bare is the faster of pull and ordered push", results)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(main(parser.parse_args().rounds))
