"""Seeded worlds of jobs: workers that come and go on lines that fail, jobs that are asked for twice and stopped."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.jobs.backtest import BacktestBody, BacktestResult
from engine.jobs.life import JobState
from engine.jobs.queue import Queue, Room
from events import codec, subjects
from events.errors import OperatingError
from events.facts import Command, SessionEnded, SessionStarted
from events.facts.jobs import JobCompleted, JobFailed, JobQueued, JobStopped, StopJob, SubmitJob
from events.faults import Faults
from events.memory_tape import MemoryTape
from tests.engine.jobs.job_house import JobHouse, wish
from tests.engine.sessions.memory_house import until, walk
from tests.simulation import checkers
from tests.simulation.world import RATES

SEEDS_SHARE = 5  # of the seeds of the other worlds, one in so many
JOBS = 8
ROOM = Room(cores=2.0, memory_mb=2_048)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a seed."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(max(1, int(metafunc.config.getoption("--seeds")) // SEEDS_SHARE)))


class JobWorld:
    """A house of workers in which things go wrong."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = np.random.Generator(np.random.Philox(key=seed))
        self.house = JobHouse(folder)
        self.seed = seed
        self.sent = 0

    def connection(self) -> MemoryTape:
        """A connection with faults of its own."""
        generator = np.random.Generator(np.random.Philox(int(self.chance.integers(2**62))))
        return self.house.tape.share(faults=Faults(RATES, generator))

    async def run(self) -> None:
        """Ask for jobs, let workers come and go, stop some; all jobs are over when this returns."""
        await self.house.start()
        recording = (await self.house.record(walk(1_500, seed=self.seed))).recording.id
        pace = float(self.chance.choice([0.0, 3_000.0]))
        for number in range(JOBS):
            await self.submit(f"j{number}", BacktestBody(wish=wish(recording, acceleration=pace)))
        for life in range(int(self.chance.integers(1, 4))):
            async with AsyncExitStack() as stack:
                for worker in range(int(self.chance.integers(1, 3))):
                    name = f"w{life}-{worker}"
                    await stack.enter_async_context(self.house.worker(name, "m1", ROOM, self.connection()))
                await asyncio.sleep(float(self.chance.random()) * 0.3)
                if self.chance.random() < 0.5:
                    name = f"j{self.chance.integers(JOBS)}"
                    await self.send(StopJob(key=f"stop-{name}", user="ann", job=name))
        async with self.house.worker("last", "m1", ROOM, self.connection()):
            await until(self.over)

    async def submit(self, name: str, body: BacktestBody) -> None:
        """Ask for a job, now and then twice under its key."""
        raw = msgspec.Raw(msgspec.json.encode(body))
        cores = float(self.chance.choice([0.5, 1.0, 2.0]))
        command = SubmitJob(key=f"key-{name}", user="ann", job=name, kind="backtest", body=raw, cores=cores)
        for _ in range(1 + int(self.chance.random() < 0.4)):
            await self.send(command)

    async def send(self, command: Command) -> None:
        """Append over a line that fails."""
        self.sent += 1
        message = codec.to_append(command, subjects.commands("jobs"), f"command:{self.sent}")
        for _ in range(20):
            try:
                await self.connection().append(message)
            except OperatingError:
                await asyncio.sleep(0)
            else:
                return
        raise AssertionError("a line that fails so often is no line")

    async def over(self) -> bool:
        """Whether every command is answered, every job over, and no session of one goes on."""
        commands = answers = 0
        sessions = Counter[str]()
        async for message in self.house.tape.read(1):
            if codec.is_frame(message.body):
                continue
            body = codec.decode(message.body, message.sequence)
            commands += isinstance(body, Command)
            answers += getattr(body, "cause", None) is not None
            sessions["began"] += isinstance(body, SessionStarted)
            sessions["ended"] += isinstance(body, SessionEnded)
        queue = await self.house.queue()
        done = not queue.open and len(queue.over) == JOBS
        return done and commands == answers and sessions["began"] == sessions["ended"]


async def test_a_world_of_jobs(seed: int, tmp_path: Path) -> None:
    """Every job has one end and at most one result, equal for equal bodies; no machine is ever filled twice."""
    world = JobWorld(tmp_path, seed)
    await world.run()
    await checkers.every_command_has_one_answer(world.house.tape)
    await checkers.equal_keys_have_equal_answers(world.house.tape)
    facts = await world.house.facts()
    assert Counter(one.job for _, one in facts if isinstance(one, JobQueued)) == Counter(f"j{n}" for n in range(JOBS))
    ends = Counter(one.job for _, one in facts if isinstance(one, JobCompleted | JobFailed))
    stopped = {one.job for _, one in facts if isinstance(one, JobStopped)}
    assert max(ends.values(), default=1) == 1
    assert set(ends) | stopped == {f"j{number}" for number in range(JOBS)}
    assert not [one for _, one in facts if isinstance(one, JobFailed)]
    results = [
        msgspec.json.decode(one.result, type=BacktestResult) for _, one in facts if isinstance(one, JobCompleted)
    ]
    assert len({one.decision_hash for one in results}) <= 1
    assert max(Counter(await world.house.sessions()).values(), default=1) == 1
    queue = Queue()
    for sequence, fact in facts:
        queue.note(fact, sequence)
        left = queue.free("m1", ROOM)
        assert left.cores >= 0, f"at sequence {sequence} jobs take more cores than there are"
        assert left.memory_mb >= 0
    assert all(queue.state(f"j{number}") is not JobState.FAILED for number in range(JOBS))
