"""Jobs: commands to them, and the facts of their life."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from events.facts.kinds import Command, Fact


class SubmitJob(Command, frozen=True, tag="SubmitJob"):
    """Queue a job. `job` is the id it will have; `body` is JSON as its kind reads it."""

    aggregate: ClassVar[str] = "jobs"

    job: str
    kind: str  # backtest, walkforward, ...: a row of the table of kinds
    body: msgspec.Raw
    title: str = ""
    cores: float = 1.0  # it keeps about so many busy
    memory_mb: int = 512  # and holds about so much


class StopJob(Command, frozen=True, tag="StopJob"):
    """End a job: one that waits is never begun, one that runs is broken off."""

    aggregate: ClassVar[str] = "jobs"

    job: str


class JobQueued(Fact, frozen=True, tag="JobQueued"):
    """The job waits for a worker. Its place in the queue is its sequence."""

    job: str
    kind: str
    body: msgspec.Raw
    user: str
    title: str = ""
    cores: float = 1.0
    memory_mb: int = 512
    queued_ns: int = 0


class JobClaimed(Fact, frozen=True, tag="JobClaimed"):
    """A worker runs it, under this epoch; one of an older epoch is stale."""

    job: str
    worker: str
    epoch: int
    machine: str = ""  # where the worker is: its cores and memory are those that are taken
    claimed_ns: int = 0


class JobProgressed(Fact, frozen=True, tag="JobProgressed"):
    """How far a job is; written at most once in a while."""

    job: str
    epoch: int
    ratio: float  # done, 0 to 1
    description: str = ""  # what it does now
    detail: msgspec.Raw = msgspec.Raw(b"null")  # JSON of its kind's own figures


class JobCompleted(Fact, frozen=True, tag="JobCompleted"):
    """Its one result, JSON as its kind writes it."""

    job: str
    epoch: int
    result: msgspec.Raw
    completed_ns: int = 0


class JobFailed(Fact, frozen=True, tag="JobFailed"):
    """It ended without a result."""

    job: str
    epoch: int
    code: str
    message: str
    failed_ns: int = 0


class JobStopped(Fact, frozen=True, tag="JobStopped"):
    """Somebody ended it."""

    job: str
    user: str
    stopped_ns: int = 0


COMMANDS: tuple[type[Command], ...] = (SubmitJob, StopJob)
FACTS: tuple[type[Fact], ...] = (JobQueued, JobClaimed, JobProgressed, JobCompleted, JobFailed, JobStopped)
