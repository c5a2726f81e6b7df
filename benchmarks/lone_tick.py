"""One lone tick in, the order it causes synced on the tape; all processes up, a thousand ticks a second beside.

    python -m benchmarks.lone_tick [--ticks N] [--rate N]

A paper session of `ema_cross` turns round at every tick of a quiet source. Measured from just before the tick's append
to the moment at which a tail hears the decision. The baseline of the same run, on the same stream and disk: a bare
nats-py publisher, and a bare consumer in a process of its own that publishes one message for each it gets. The two
take turns; each pause is long enough for both to be idle. Where the time goes is told by the server's own stamps of the
two messages: until it has the tick, until it has the answer (the tick's sync, one delivery, the answering process),
until the answer is heard (its sync, one delivery).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import pairwise

import nats
import numpy as np
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig

from api.cli.opened import Opened, opened
from api.endpoints import tape_endpoint
from api.settings import Settings, SourceSettings
from benchmarks.houses import own_house
from benchmarks.processes import tree
from benchmarks.tape_site import Result, percentile, show
from engine.feeds.simulated import SimulatedFeed
from engine.sessions.plan import SessionWish, StrategyWish, plan
from engine.sources.source import Source, feed_of
from events import frames
from events.clock import NS_PER_SECOND, SystemClock
from events.facts import SessionLimits, SessionSpec, StartSession
from events.frames import Section
from events.jetstream.link import inbox_prefix
from events.rows import MARKET_DTYPE, MarketKind, SectionKind
from events.tape import CONTENT_TYPE, FRAME_TYPE, MESSAGE_ID, Append, Message, Tape

Parts = tuple[float, ...]
LIMITS_MS = {"p50": 4.0, "p99": 25.0}
LIMIT_RATIO = 1.5
PAUSE_SECONDS = 0.015
SETTLE_SECONDS = 0.5
WARM_TICKS_MIN, WARM_TICKS_MAX = 8, 240  # until the averages stand and the session runs
ANSWER_SECONDS_MAX = 5.0
STANDING = 1e-6  # pace of a source that stands still behind its first rows
BUSY = ("B1", "B2", "B3")
RATED_SECONDS = 900  # of the busy market's own time, about what a run plays of it
STAGES = ("until the server has the tick", "until it has the answer", "until the answer is heard")
QUIET = SourceSettings(id="quiet", kind="simulated", symbols=("QUIET",), acceleration=STANDING)
CLOCK = SystemClock()
HEADERS = {CONTENT_TYPE: FRAME_TYPE}
TICK, ORDER = "tape.market.baretick", "tape.market.bareorder"


def busy(rate: float) -> SourceSettings:
    """The source that is there beside."""
    feed = feed_of(Source(id="busy", kind="simulated", symbols=BUSY), 0)
    assert isinstance(feed, SimulatedFeed)
    rows = len(feed.rows_between(0, RATED_SECONDS * NS_PER_SECOND, lambda form: 0))
    return SourceSettings(id="busy", kind="simulated", symbols=BUSY, acceleration=rate * RATED_SECONDS / rows)


def body(instrument: int, at: int) -> bytes:
    """A frame of one trade, dearer and cheaper in turn."""
    row = np.zeros(1, MARKET_DTYPE)
    row["ts_event_ns"] = row["ts_received_ns"] = CLOCK.now_ns()
    row["price"], row["quantity"], row["kind"], row["instrument"] = (
        100.0 + 10 * (at % 2),
        1e6,
        MarketKind.TRADE,
        instrument,
    )
    return frames.encode([Section(SectionKind.MARKET, row, at)])


async def start(tools: Opened, source: str, params: dict[str, float | int | bool]) -> SessionSpec:
    """A paper session on a source."""
    wish = SessionWish(
        mode="paper",
        source=source,
        strategies=(StrategyWish(strategy="ema_cross", params=params),),
        limits=SessionLimits(cash=1e6, global_cap=1e6, order_notional=100.0, fill_ratio_max=0.0),
    )
    spec = plan(wish, f"exec_{source}", "admin", tools.lookups.library())
    await tools.commands.send(StartSession(key=f"bench-{source}", user="admin", spec=spec))
    return spec


async def timed(publish: Callable[[], Awaitable[object]], heard: asyncio.Event) -> tuple[int, int]:
    """When it began and when the answer was heard (ns UTC)."""
    heard.clear()
    began_ns = CLOCK.now_ns()
    await publish()
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        await heard.wait()
    return began_ns, CLOCK.now_ns()


async def stages(tape: Tape, tick: str, answer: str, times: Sequence[tuple[int, int]]) -> list[Parts]:
    """Milliseconds of each of the `STAGES`, for each tick whose two messages the server stamped in between."""
    stamps = {
        name: np.array([one.appended_ns async for one in tape.read(1, subjects=(name,))], np.int64)
        for name in (tick, answer)
    }
    found = []
    for began_ns, heard_ns in times:
        inside = [held[(held >= began_ns) & (held <= heard_ns)] for held in stamps.values()]
        if all(len(held) for held in inside):
            marks = (began_ns, inside[0][0], inside[1][0], heard_ns)
            found.append(tuple((end - start) / 1e6 for start, end in pairwise(marks)))
    return found


async def measure(tools: Opened, settings: Settings, ticks: int) -> tuple[list[Parts], list[Parts], float]:
    """Milliseconds by stage of ours and of the bare pair, in turn; rows a second of the busy source meanwhile."""
    tape, heard, bare_heard = tools.connection.tape, asyncio.Event(), asyncio.Event()
    spec, rows = await start(tools, "quiet", {"fast": 2, "slow": 3}), 0
    await start(tools, "busy", {})

    async def hear(message: Message) -> None:
        heard.set()

    async def count(message: Message) -> None:
        nonlocal rows
        rows += len(frames.decode(message.body)[0].rows)

    async def bare_hear(message: Msg) -> None:
        bare_heard.set()

    last = (await tape.info()).last
    tails = [
        await tape.tail(last + 1, hear, subjects=(f"tape.session.{spec.session}.decision",)),
        await tape.tail(last + 1, count, subjects=("tape.market.busy",)),
    ]
    number = spec.instruments[0].number
    client, bare = await bare_link(settings)
    pushed = await bare.subscribe(
        ORDER, stream="TAPE", cb=bare_hear, ordered_consumer=True, config=ConsumerConfig(name=f"bench{os.getpid()}")
    )
    answering = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.lone_tick", "--answer", settings.data
    )
    ours, pair = [], []
    try:
        first = 0  # the next tick: prices go on to be dearer and cheaper in turn
        for first in range(WARM_TICKS_MAX):
            await tape.append(Append("tape.market.quiet", body(number, first), f"lone:{first}", HEADERS))
            await bare.publish(TICK, body(number, first), headers={**HEADERS, MESSAGE_ID: f"bare:{first}"})
            await asyncio.sleep(SETTLE_SECONDS)
            if heard.is_set() and bare_heard.is_set() and rows and first > WARM_TICKS_MIN:
                break
        heard.clear()
        began, before = time.perf_counter(), rows
        for at in range(first + 1, first + 1 + ticks):
            message = Append("tape.market.quiet", body(number, at), f"lone:{at}", HEADERS)
            ours.append(await timed(partial(tape.append, message), heard))
            await asyncio.sleep(PAUSE_SECONDS)
            head = {**HEADERS, MESSAGE_ID: f"bare:{at}"}
            pair.append(await timed(partial(bare.publish, TICK, body(number, at), headers=head), bare_heard))
            await asyncio.sleep(PAUSE_SECONDS)
        rate = (rows - before) / (time.perf_counter() - began)
    finally:
        answering.terminate()
        await answering.wait()
        await pushed.unsubscribe()
        await client.close()
        for tail in tails:
            await tail.close()
    decided = f"tape.session.{spec.session}.decision"
    return await stages(tape, "tape.market.quiet", decided, ours), await stages(tape, TICK, ORDER, pair), rate


async def bare_link(settings: Settings) -> tuple[nats.NATS, JetStreamContext]:
    """nats-py on the house's server."""
    found = tape_endpoint(settings, "admin")
    client = await nats.connect(found.url, nkeys_seed=found.seed_file, inbox_prefix=inbox_prefix("admin"))
    return client, client.jetstream(timeout=ANSWER_SECONDS_MAX)


async def answer(settings: Settings) -> None:
    """The bare consumer: one synced message for each tick, until it is ended."""
    _, bare = await bare_link(settings)
    count = 0

    async def act(message: Msg) -> None:
        nonlocal count
        count += 1
        await bare.publish(ORDER, message.data, headers={**HEADERS, MESSAGE_ID: f"answer:{count}"})

    await bare.subscribe(
        TICK, stream="TAPE", cb=act, ordered_consumer=True, config=ConsumerConfig(name=f"bench{os.getpid()}")
    )
    await asyncio.Event().wait()


async def main(ticks: int, rate: float) -> None:
    """Measure and print."""
    async with own_house((QUIET, busy(rate))) as (settings, _), opened(settings) as tools:
        ours, pair, found = await measure(tools, settings, ticks)
        names = sorted({use.name for use in tree(os.getpid())})
    results = []
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        limit = f"(goal {LIMITS_MS[name]:g})" if name in LIMITS_MS else ""
        whole, bare = (percentile([sum(parts) for parts in found], share) for found in (ours, pair))
        results.append(Result(name, whole, bare, "ms", limit))
    print(f"\n{ticks} ticks of each in turn, {found:,.0f} rows/s beside, load {os.getloadavg()[0]:.1f}")
    print(f"up: {', '.join(names)}")
    show("A lone tick until its order is on the tape", results)
    show("Where half of them spend no more", [_stage(at, ours, pair) for at in range(len(STAGES))])
    met = all(results[at].ours <= LIMITS_MS[results[at].what] for at in (0, 2))
    ratio = max(results[at].ours / results[at].bare for at in (0, 2))
    print(f"goal {'met' if met else 'NOT met'}; {ratio:.2f} x the bare pair (goal {LIMIT_RATIO:g})")


def _stage(at: int, ours: list[Parts], pair: list[Parts]) -> Result:
    half, bare = (percentile([parts[at] for parts in found], 0.5) for found in (ours, pair))
    return Result(STAGES[at], half, bare, "ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ticks", type=int, default=500)
    parser.add_argument("--rate", type=float, default=1_000.0)
    parser.add_argument("--answer", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    asyncio.run(answer(Settings(data=arguments.answer)) if arguments.answer else main(arguments.ticks, arguments.rate))
