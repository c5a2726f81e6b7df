"""Two real worker processes and a full queue; one is killed in the middle: every job has its one result."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from api.cli.running import reached
from api.cli.up import initialised
from api.processes.supervisor import ChildSpec, Supervisor, SupervisorSettings
from api.settings import JobSettings, Settings
from engine.jobs.backtest import BacktestBody, BacktestResult
from engine.sessions.plan import SessionWish, StrategyWish
from events import codec, subjects
from events.clock import SystemClock
from events.facts import Fact, SessionEnded, SessionStarted
from events.facts.jobs import JobClaimed, JobCompleted, JobFailed, SubmitJob
from events.tape import Tape
from tests.api.recordings import simulated_recording

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

JOBS = 40
KILLED_AFTER = 10  # results, so that the queue is neither full nor empty
ACCELERATION = 14_400.0  # the recorded hour in a quarter of a second: there is always a job in the middle
SECONDS_MAX = 300.0


@asynccontextmanager
async def workers(settings: Settings, count: int) -> AsyncIterator[Supervisor]:
    """Worker processes that are not started again."""
    env = {**os.environ, "TAPEDECK_SETTINGS": msgspec.json.encode(settings).decode()}
    supervisor = Supervisor(settings.folder / "logs", SystemClock(), env, SupervisorSettings())
    try:
        for number in range(count):
            supervisor.start(ChildSpec(f"worker-{number}", ("run", "worker")))
        yield supervisor
    finally:
        await supervisor.stop()


async def submit(tape: Tape, name: str, recording: str) -> None:
    """Ask for a backtest of the hour; all of them are the same."""
    strategies = (StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),)
    wish = SessionWish(mode="backtest", recording=recording, strategies=strategies, acceleration=ACCELERATION)
    body = msgspec.Raw(msgspec.json.encode(BacktestBody(wish=wish)))
    command = SubmitJob(key=f"key-{name}", user="ann", job=name, kind="backtest", body=body)
    await tape.append(codec.to_append(command, subjects.commands("jobs"), f"command:{name}"))


async def facts(tape: Tape, *wanted: str) -> list[Fact]:
    """What stands on subjects by now."""
    bodies = [codec.decode(one.body, one.sequence) async for one in tape.read(1, subjects=wanted)]
    return [one for one in bodies if isinstance(one, Fact)]


async def until_completed(tape: Tape, count: int) -> list[Fact]:
    """Facts of jobs once so many have ended."""
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            found = await facts(tape, subjects.JOB_FACTS)
            if sum(isinstance(one, JobCompleted | JobFailed) for one in found) >= count:
                return found
            await asyncio.sleep(0.2)


async def test_every_queued_backtest_has_one_result(tmp_path: Path) -> None:
    """Forty backtests, two workers, one killed with -9 while it works: forty equal results, none twice, none lost."""
    settings = Settings(data=str(tmp_path), jobs=JobSettings(cores=2.0, memory_mb=2_048))
    await initialised(settings)
    async with reached(settings) as made:
        recording = await simulated_recording(made.tape)  # type: ignore[arg-type]
        for number in range(JOBS):
            await submit(made.tape, f"bt-{number}", recording)
        async with workers(settings, 2) as supervisor:
            found = await until_completed(made.tape, KILLED_AFTER)
            victim = next(one for one in reversed(found) if isinstance(one, JobClaimed))
            pid = int(victim.worker.rpartition("-")[2])
            assert pid in supervisor.pids().values()
            os.kill(pid, signal.SIGKILL)
            found = await until_completed(made.tape, JOBS)
        research = await facts(made.tape, "tape.research.*.fact")
    completed = [one for one in found if isinstance(one, JobCompleted)]
    assert sorted(one.job for one in completed) == sorted(f"bt-{number}" for number in range(JOBS))
    results = [msgspec.json.decode(one.result, type=BacktestResult) for one in completed]
    assert len({one.decision_hash for one in results}) == 1
    assert {one.session for one in results} == {one.job for one in completed}
    for kind in (SessionStarted, SessionEnded):
        counted = Counter(_session(one) for one in research if isinstance(one, kind))
        assert counted == Counter(one.job for one in completed), kind
    claims = [one for one in found if isinstance(one, JobClaimed)]
    of_the_dead = {one.job for one in claims if one.worker == victim.worker}
    assert {one.job for one in claims if one.epoch > 1} <= of_the_dead, "only what a dead worker left is begun again"


def _session(fact: Fact) -> str:
    return fact.spec.session if isinstance(fact, SessionStarted) else str(getattr(fact, "session", ""))
