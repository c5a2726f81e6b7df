"""Jobs of random tapes: queued, claimed, passed on, told of, ended in every way."""

from __future__ import annotations

import msgspec
import numpy as np

from events import subjects
from events.facts import Fact
from events.facts.jobs import JobClaimed, JobCompleted, JobFailed, JobProgressed, JobQueued, JobStopped
from tests.projections.streams import Script

KINDS = ("backtest", "sweep")
USERS = ("ann", "bob")


class RandomJobs:
    """Draws legal next steps of jobs."""

    def __init__(self, script: Script, rng: np.random.Generator) -> None:
        self._script = script
        self._rng = rng
        self._epochs: dict[str, int] = {}  # of those that are not over; 0 waits
        self._count = 0

    async def step(self) -> None:
        """One more fact."""
        if not self._epochs or self._rng.random() < 0.4:
            await self._queue()
            return
        name = str(self._rng.choice(sorted(self._epochs)))
        await self._append(name, self._next(name))

    async def _queue(self) -> None:
        self._count += 1
        name = f"j{self._count}"
        self._epochs[name] = 0
        fact = JobQueued(
            job=name,
            kind=str(self._rng.choice(KINDS)),
            body=msgspec.Raw(b'{"n":1}'),
            user=str(self._rng.choice(USERS)),
            title=f"job {self._count}",
            queued_ns=self._count,
        )
        await self._append(name, fact)
        if self._rng.random() < 0.1:  # asked for twice at once, and answered by two processes
            await self._append(name, fact)

    def _result(self) -> msgspec.Raw:
        """Of a kind with figures, of one without, of none that can be read."""
        ratio = self._rng.choice(["1.5", "-0.5", "null"])
        metric = f'{{"name":"sharpe_ratio","value":{ratio}}}'
        figures = f'{{"symbols":["A"],"measurements":{{"metrics":[{metric}]}}}}'
        return msgspec.Raw(str(self._rng.choice([figures, '{"b":3}', "[1]"])).encode())

    def _next(self, name: str) -> Fact:
        epoch, draw = self._epochs[name], self._rng.random()
        if draw < 0.1:
            return JobStopped(job=name, user="ann", stopped_ns=self._count)
        if epoch == 0 or draw < 0.25:
            self._epochs[name] = epoch + 1
            return JobClaimed(job=name, worker=f"w{epoch}", epoch=epoch + 1, machine="m", claimed_ns=self._count)
        if draw < 0.5:
            return JobProgressed(job=name, epoch=epoch, ratio=draw, description="half", detail=msgspec.Raw(b'{"a":2}'))
        if draw < 0.75:
            return JobCompleted(job=name, epoch=epoch, result=self._result(), completed_ns=self._count)
        return JobFailed(job=name, epoch=epoch, code="BUG", message="it broke", failed_ns=self._count)

    async def _append(self, name: str, fact: Fact) -> None:
        if isinstance(fact, JobCompleted | JobFailed | JobStopped):
            del self._epochs[name]
        await self._script.fact(fact, subjects.job(name))
