"""How soon a worker that starts has folded the jobs that are over, and how many messages it reads for that.

    python -m benchmarks.job_history [--jobs N]

A tape of finished backtests as a house writes them: thirteen messages each, commands, answers, facts of the job and of
its session, a result of 9 KB. Then the parts of a worker start on it one after the other (its sessions, its jobs, its
answers): once with nothing remembered, once more from the memories that were kept meanwhile. The first is the baseline.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from benchmarks.tape_site import Result, Site, show, site
from engine.aggregates.answering import Answering
from engine.aggregates.instruments import Instruments
from engine.aggregates.jobs import Jobs
from engine.jobs.kinds import KINDS
from engine.jobs.queue import Room
from engine.jobs.runner import JobRunner, JobSettings
from engine.jobs.sessions import JobSessions
from engine.jobs.work import Tools
from engine.recordings.reading import RecordingReader
from engine.sessions.host import Host, HostSettings
from engine.sessions.surroundings import Surroundings
from engine.strategies.registry import discover
from engine.taking_part import TakingPart
from events import codec, subjects
from events.clock import SystemClock
from events.facts import (
    Command,
    CommandAccepted,
    Fact,
    Place,
    SessionClaimed,
    SessionEnded,
    SessionInput,
    SessionLimits,
    SessionProgressed,
    SessionSpec,
    SessionStarted,
    StartSession,
    StrategySetting,
)
from events.facts.jobs import JobClaimed, JobCompleted, JobProgressed, JobQueued, SubmitJob
from events.memory_keys import MemoryBlobs, MemoryKeys
from events.tape import Append, Blobs

JOBS = 20_000
JOBS_MIN = 2_000  # of fewer nothing is remembered
RESULT = msgspec.Raw(msgspec.json.encode({"metrics": "m" * 9_000}))
BODY = msgspec.Raw(b'{"wish":{"mode":"backtest","strategies":[{"strategy":"ema_cross"}]}}')
AT_ONCE = 32  # jobs of one append, which has at most 500 messages
SECONDS_MAX = 600.0


def spec_of(name: str) -> SessionSpec:
    """The session of a job."""
    return SessionSpec(
        session=name,
        mode="backtest",
        user="ann",
        input=SessionInput(source="bench", recording="rec_bench", first=Place(1, 0), last=Place(1, 9_999)),
        instruments=(),
        strategies=(StrategySetting(strategy="ema_cross", params={"fast": 5, "slow": 20}),),
        limits=SessionLimits(),
        seed=1,
        code_hash="c0de",
        research=True,
        job=name,
    )


def of_job(number: int, sequence: int) -> list[Append]:
    """All that a finished backtest leaves; `sequence` is that of its first message."""
    name = f"job{number:08d}"
    mine, of_session = spec_of(name), subjects.session_fact(name, research=True)
    ended = SessionEnded(
        session=name,
        reason="completed",
        inputs=10_000,
        place=Place(1, 9_999),
        decision_hash="0" * 32,
        counts={"fill": 10},
        equity=1.0,
    )
    told: list[tuple[Fact | Command, str]] = [
        (SubmitJob(key=f"k{name}", user="ann", job=name, kind="backtest", body=BODY), subjects.commands("jobs")),
        (CommandAccepted(key=f"k{name}", cause=sequence, id=name), subjects.JOBS),
        (JobQueued(job=name, kind="backtest", body=BODY, user="ann"), subjects.job(name)),
        (JobClaimed(job=name, worker="w", epoch=1), subjects.job(name)),
        (StartSession(key=f"job:{name}:{name}:0", user="ann", spec=mine), subjects.DESK_COMMANDS),
        (CommandAccepted(key=f"job:{name}:{name}:0", cause=sequence + 4, session=name), subjects.DESK),
        (SessionStarted(spec=mine, after=sequence + 4), of_session),
        (SessionClaimed(session=name, engine="e", epoch=1), of_session),
        (SessionProgressed(session=name, epoch=1, inputs=5_000, place=Place(1, 4_999)), of_session),
        (JobProgressed(job=name, epoch=1, ratio=0.5), subjects.job(name)),
        (ended, of_session),
        (JobProgressed(job=name, epoch=1, ratio=1.0), subjects.job(name)),
        (JobCompleted(job=name, epoch=1, result=RESULT), subjects.job(name)),
    ]
    return [codec.to_append(fact, subject, f"{name}:{at}") for at, (fact, subject) in enumerate(told)]


async def fill(place: Site, jobs: int) -> None:
    """The tape."""
    sequence = (await place.tape.info()).last + 1
    for first in range(0, jobs, AT_ONCE):
        batch: list[Append] = []
        for number in range(first, min(jobs, first + AT_ONCE)):
            batch += of_job(number, sequence + len(batch))
        sequence = (await place.tape.append_atomic(batch))[-1] + 1


class Started:
    """One part of a worker, and what its start took."""

    def __init__(self, part: TakingPart, start: Callable[[], Awaitable[None]], close: Callable[[], Awaitable[None]]):
        self._part, self._start, self._close = part, start, close
        self.messages = 0
        self.seconds = 0.0

    async def run(self, kept: Callable[[], Awaitable[bool]]) -> None:
        """Start, note when it would act, and end when its memory is kept."""
        fold, began = self._part._part.fold, time.perf_counter()

        def counted(message: object) -> None:
            self.messages += 1
            fold(message)  # type: ignore[arg-type]

        self._part._part = self._part._part._replace(fold=counted)
        await self._start()
        async with asyncio.timeout(SECONDS_MAX):
            while self._part.folded < self._part.due:  # noqa: ASYNC110 - looked at as often as it costs nothing
                await asyncio.sleep(0.001)
            self.seconds = time.perf_counter() - began
            while not await kept():  # noqa: ASYNC110 - the part keeps it by itself
                await asyncio.sleep(0.05)
        await self._close()


def parts(place: Site, blobs: Blobs) -> dict[str, Started]:
    """The parts of a fresh worker."""
    clock, keys, registry = SystemClock(), MemoryKeys(), discover()
    around = Surroundings(place.tape, blobs, clock, RecordingReader(place.tape), lambda spec: None)  # type: ignore[arg-type, return-value]
    tools = Tools(around=around, strategies=registry, library=None, sessions=JobSessions(place.tape, clock, 1.0))  # type: ignore[arg-type]
    runner = JobRunner(tools, KINDS, keys, JobSettings(worker="w", machine="m", room=Room(cores=1.0, memory_mb=512)))
    host = Host(place.tape, keys, clock, "e", None, HostSettings(modes=("backtest",)))  # type: ignore[arg-type]
    answering = Answering(place.tape, clock, [Instruments(), Jobs(KINDS)], blobs)
    return {
        "sessions": Started(host._part, lambda: host.start(blobs), host.close),
        "jobs": Started(runner._part, runner.start, runner.close),
        "answers": Started(answering._part, answering.start, answering.close),
    }


async def measured(jobs: int) -> list[Result]:
    """Fill, start with nothing remembered, start again."""
    found: list[Result] = []
    async with site() as place:
        await fill(place, jobs)
        blobs = MemoryBlobs()
        for name, fold in (("sessions", "desk"), ("jobs", "jobs"), ("answers", "answers")):

            async def kept(root: str = f"folds/{fold}/") -> bool:
                return bool(await blobs.names(root))

            first, second = parts(place, blobs)[name], parts(place, blobs)[name]
            for one in (first, second):
                await one.run(kept)
            found.append(Result(f"{name}: messages read", second.messages, first.messages, ""))
            size = sum([len(await blobs.get(each) or b"") for each in await blobs.names(f"folds/{fold}/")])
            note = f"memory of {size / 1e6:.1f} MB"
            found.append(Result(f"{name}: until it acts", second.seconds, first.seconds, "s", note))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS)
    arguments = parser.parse_args()
    jobs = max(arguments.jobs, JOBS_MIN)
    show(f"{jobs} finished jobs; bare: nothing remembered", asyncio.run(measured(jobs)))


if __name__ == "__main__":
    main()
