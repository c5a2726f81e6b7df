"""How soon a session that has read a million events decides again after its engine is killed.

    python -m benchmarks.restart [--runs N]

A whole house on a fresh tape: a paper session has read an imported recording of a million ticks, traded it, and waits
for the next one. Its engine process is killed (SIGKILL) and started again by its supervisor; a command to the session
is sent at once. The clock runs from the kill until the answer is on the tape, which a runner gives only when it stands
where it stood. Twice: from a snapshot, and without any, when every row is read and decided again. The baselines of the
same run: an interpreter that imports numba and nats-py, and the supervisor's rest before it starts a process again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from api.cli.opened import Opened, opened
from api.processes.supervisor import SupervisorSettings
from api.settings import EngineSettings
from benchmarks.houses import known, own_house
from benchmarks.processes import tree
from benchmarks.tape_site import middle
from benchmarks.w1 import ROWS, simulated_ticks
from engine.catalogue import InstrumentForm
from engine.feeds.feed import Description, NumberOf
from engine.recordings.importing import Importer
from engine.sessions import snapshots
from engine.sessions.plan import SessionWish, StrategyWish, plan
from events.decisions import from_message
from events.facts import CancelOrder, SessionLimits, StartSession
from events.rows import Rows, SectionKind

LIMIT_SECONDS = 2.0
ACCELERATION = 1e6
A_YEAR_NS = 365 * 86_400 * 1_000_000_000
YEARS = 40
SNAPSHOT_ROWS = 300_000
SECONDS_MAX, LOOK_SECONDS = 120.0, 0.25
BARE = "import numba, nats; from numba import njit"
FORM = InstrumentForm(symbol="W1", venue="BENCH", quote="USD", price_step=0.01, quantity_step=0.001)


class Ticks:
    """A million ticks, then one a year: a paced session waits for them."""

    def survey(self) -> Description:
        """What the rows are."""
        return Description(instruments=(FORM,), kinds=("trade",), rows=ROWS + YEARS)

    def chunks(self, number: NumberOf) -> Iterator[Rows]:
        """All rows."""
        rows = simulated_ticks(ROWS + YEARS, number(FORM))
        for name in ("ts_event_ns", "ts_received_ns"):
            rows[name][ROWS:] += A_YEAR_NS * np.arange(1, YEARS + 1)
        yield rows


async def waiting_session(tools: Opened) -> str:
    """A paper session that has read the million ticks; its name."""
    importer = Importer(tools.connection.tape, tools.clock, tools.segments, "admin")
    imported = await importer.run(Ticks(), "bench-restart", "a million ticks")
    await known(tools, imported.recording.id)
    wish = SessionWish(
        mode="paper",
        recording=imported.recording.id,
        strategies=(StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),),
        limits=SessionLimits(cash=1e9, order_notional=1_000.0, fill_ratio_max=0.0),
        acceleration=ACCELERATION,
    )
    spec = plan(wish, "exec_restart", "admin", tools.lookups.library())
    await tools.commands.send(StartSession(key="bench-restart", user="admin", spec=spec))
    for number in range(round(SECONDS_MAX / LOOK_SECONDS)):
        await asyncio.sleep(LOOK_SECONDS)
        if await answered(tools, spec.session, f"look-{number}") >= ROWS:
            return spec.session
    raise SystemExit(f"The session has not read {ROWS:,} ticks within {SECONDS_MAX:g} s.")


async def answered(tools: Opened, session: str, key: str) -> int:
    """Send a command that changes nothing; how many ticks the session had read when it answered."""
    answer, _ = await tools.commands.send(CancelOrder(key=key, user="admin", session=session, order=0))
    return answer.effective_input or 0


async def restarted(tools: Opened, session: str, number: int) -> float:
    """Seconds from the kill of the engine to the session's answer to a command."""
    (engine,) = [use.pid for use in tree(os.getpid()) if use.name == "engine"]
    began = time.perf_counter()
    os.kill(engine, signal.SIGKILL)
    await answered(tools, session, f"restart-{number}")
    return time.perf_counter() - began


def interpreter() -> float:
    """Seconds of an interpreter that imports numba and nats-py, and the supervisor's rest before a start."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", BARE], check=True)
    return time.perf_counter() - began + SupervisorSettings().pause_seconds


async def main(runs: int) -> None:
    """Measure and print."""
    often = EngineSettings(workers=1, snapshot_rows=SNAPSHOT_ROWS)
    async with own_house(engine=often) as (settings, running), opened(settings) as tools:
        keeping = asyncio.ensure_future(running.keep())
        session = await waiting_session(tools)
        fills = await filled(tools, session)
        kept = [await restarted(tools, session, number) for number in range(runs)]
        whole = []
        for number in range(runs):
            await snapshots.forget(tools.connection.blobs, session)
            whole.append(await restarted(tools, session, runs + number))
        keeping.cancel()
    bare = middle([interpreter() for _ in range(runs)])
    print(f"A session of {ROWS:,} ticks and {fills:,} fills; median of {runs}; load {os.getloadavg()[0]:.1f}")
    print(f"{'killed engine to the next answer':<44}{'ours':>8}{'bare':>8}{'ratio':>8}")
    for what, seconds in (("from a snapshot", middle(kept)), ("without any: decided again", middle(whole))):
        met = "met" if seconds <= LIMIT_SECONDS else "NOT met"
        print(f"{what:<44}{seconds:>7.2f}s{bare:>7.2f}s{seconds / bare:>8.2f}  goal {LIMIT_SECONDS:g} s: {met}")


async def filled(tools: Opened, session: str) -> int:
    """How many fills the tape holds of a session."""
    count = 0
    async for message in tools.connection.tape.read(1, subjects=(f"tape.session.{session}.decision",)):
        count += len(from_message(message).rows(SectionKind.FILL))
    return count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    asyncio.run(main(parser.parse_args().runs))
