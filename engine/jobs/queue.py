"""The queue: all jobs that are not over, folded from their facts, and which of them a machine may take next."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from engine.jobs.life import OVER, Job, JobState, begin, evolve
from events.facts import Fact
from events.facts.jobs import JobClaimed, JobQueued

OVER_MAX = 50_000  # jobs that are over, of which only the state is remembered


class Room(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What jobs of one machine may take together."""

    cores: float
    memory_mb: int


class QueueState(msgspec.Struct, frozen=True):
    """All that a queue knows."""

    open: tuple[Job, ...]
    over: dict[str, JobState]
    last: int
    overtaken: dict[str, int]


class Queue:
    """Fold of job facts. Of a job that is over, only its state is kept, of the newest `over_max`."""

    def __init__(self, over_max: int = OVER_MAX) -> None:
        self._over_max = over_max
        self.open: OrderedDict[str, Job] = OrderedDict()  # queued and running, in the order of the queue
        self.over: OrderedDict[str, JobState] = OrderedDict()  # the newest that are
        self.last = 0  # sequence of the last fact of any job
        self.overtaken: dict[str, int] = {}  # how many younger jobs were begun before a queued one

    def note(self, fact: Fact, sequence: int) -> Job | None:
        """One more fact; the job it is of, None where it is of none or nothing new. Raises Bug as `evolve`."""
        name = getattr(fact, "job", None)
        if name is None or sequence <= self.last:
            return None
        self.last = sequence
        if isinstance(fact, JobQueued):
            if self.state(name) is not None:
                return None
            job = begin(fact, sequence)
        elif name in self.open:
            job = evolve(self.open[name], fact, sequence)
        else:
            return None  # a stop that came behind the end
        if isinstance(fact, JobClaimed) and fact.epoch == 1:
            self._begun(job)
        self.open[name] = job
        if job.state in OVER:
            del self.open[name]
            self.overtaken.pop(name, None)  # it may have been stopped while it waited
            self.over[name] = job.state
            if len(self.over) > self._over_max:
                self.over.popitem(last=False)
        return job

    def _begun(self, job: Job) -> None:
        self.overtaken.pop(job.id, None)
        for other in self.open.values():
            if other.state is JobState.QUEUED and other.queued_at < job.queued_at:
                self.overtaken[other.id] = self.overtaken.get(other.id, 0) + 1

    # --- memory ---------------------------------------------------------------------------------------------------

    def known(self) -> QueueState:
        """All of it as it is now: `over` is no copy, which takes longer than to write it down."""
        return QueueState(tuple(self.open.values()), self.over, self.last, dict(self.overtaken))

    def restore(self, known: QueueState) -> None:
        """Be as one that knew this."""
        self.open = OrderedDict((job.id, job) for job in known.open)
        self.over = OrderedDict(known.over)
        self.last, self.overtaken = known.last, dict(known.overtaken)

    # --- questions ------------------------------------------------------------------------------------------------

    def state(self, name: str) -> JobState | None:
        """Where a job is in its life; None where there is none."""
        return self.open[name].state if name in self.open else self.over.get(name)

    def queued(self) -> list[Job]:
        """Those that wait, oldest first."""
        return [job for job in self.open.values() if job.state is JobState.QUEUED]

    def running(self) -> list[Job]:
        """Those that a worker has claimed, oldest first."""
        return [job for job in self.open.values() if job.state is JobState.RUNNING]

    def position(self, name: str) -> int:
        """Place in the queue, 1 is the next; 0 where it does not wait."""
        waiting = [job.id for job in self.queued()]
        return waiting.index(name) + 1 if name in waiting else 0

    def free(self, machine: str, room: Room) -> Room:
        """What is left of a machine beside the jobs that run there."""
        taken = [need(job, room) for job in self.running() if job.machine == machine]
        return Room(
            cores=room.cores - sum(one.cores for one in taken),
            memory_mb=room.memory_mb - sum(one.memory_mb for one in taken),
        )

    def next(self, machine: str, room: Room, overtakes_max: int) -> Job | None:
        """The oldest queued job that fits into what is left of a machine; None where none does.

        A younger job may pass one that does not fit, but only `overtakes_max` times: then the machine is kept free.
        """
        left = self.free(machine, room)
        for job in self.queued():
            if fits(need(job, room), left):
                return job
            if self.overtaken.get(job.id, 0) >= overtakes_max:
                return None
        return None


def need(job: Job, room: Room) -> Room:
    """What a job takes of a machine: what it says, and at most all of it, so that a large one runs alone."""
    asked = job.queued
    return Room(cores=min(asked.cores, room.cores), memory_mb=min(asked.memory_mb, room.memory_mb))


def fits(needed: Room, left: Room) -> bool:
    """Whether there is room; shares of cores are compared with slack for what sums of them lose."""
    return needed.cores <= left.cores + 1e-9 and needed.memory_mb <= left.memory_mb
