"""The life of a job as a table, and the fold of its facts. A test goes over every pair."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from events.errors import Bug
from events.facts import Fact
from events.facts.jobs import JobClaimed, JobCompleted, JobFailed, JobProgressed, JobQueued, JobStopped


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"  # claimed by a worker
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"  # by command


OVER = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.STOPPED})

# (state, fact) -> state. What is not here cannot happen; meeting it is a bug.
TRANSITIONS: dict[tuple[JobState, type[Fact]], JobState] = {
    (JobState.QUEUED, JobClaimed): JobState.RUNNING,
    (JobState.QUEUED, JobStopped): JobState.STOPPED,  # before anybody claimed it
    (JobState.RUNNING, JobClaimed): JobState.RUNNING,  # taken over after its worker died
    (JobState.RUNNING, JobProgressed): JobState.RUNNING,
    (JobState.RUNNING, JobCompleted): JobState.COMPLETED,
    (JobState.RUNNING, JobFailed): JobState.FAILED,
    (JobState.RUNNING, JobStopped): JobState.STOPPED,
    # A stop was decided while the worker's last fact was on its way: the job had ended already.
    (JobState.COMPLETED, JobStopped): JobState.COMPLETED,
    (JobState.FAILED, JobStopped): JobState.FAILED,
}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the facts of one job add up to."""

    queued: JobQueued
    queued_at: int  # sequence of `JobQueued`: its place in the queue
    state: JobState = JobState.QUEUED
    worker: str = ""
    machine: str = ""
    epoch: int = 0
    last: int = 0  # sequence of its last fact

    @property
    def id(self) -> str:
        """Its name everywhere."""
        return self.queued.job


def begin(fact: JobQueued, sequence: int) -> Job:
    """A job from its first fact."""
    return Job(queued=fact, queued_at=sequence, last=sequence)


def evolve(job: Job, fact: Fact, sequence: int) -> Job:
    """The job after one more fact.

    Raises:
        Bug: a fact that its state does not allow.
    """
    try:
        state = TRANSITIONS[job.state, type(fact)]
    except KeyError:
        raise Bug(f"Job {job.id} is {job.state} and met {type(fact).__name__} at sequence {sequence}.") from None
    if isinstance(fact, JobClaimed):
        job = msgspec.structs.replace(job, worker=fact.worker, machine=fact.machine, epoch=fact.epoch)
    return msgspec.structs.replace(job, state=state, last=sequence)
