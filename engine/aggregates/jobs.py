"""Jobs as an aggregate: submits and stops are decided here; what follows is told by the workers (`engine.jobs`)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engine.aggregates.aggregate import Asked, Outcome
from engine.jobs.kind import Kind
from engine.jobs.life import OVER
from engine.jobs.queue import Queue, QueueState
from events import subjects
from events.errors import Bug, Conflict, InvalidInput, LimitReached, Unknown
from events.facts import Command, Fact
from events.facts.jobs import JobQueued, JobStopped, StopJob, SubmitJob


class JobLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named maxima."""

    queued_max: int = 1_000  # jobs that wait or run, of all users
    queued_per_user_max: int = 250  # of one
    cores_max: float = 1_024.0  # that one job may ask for
    memory_mb_max: int = 16_777_216
    title_max: int = 200


class Jobs:
    """Decides commands about jobs."""

    name = "jobs"
    subject = subjects.JOBS
    reads: tuple[str, ...] = (subjects.JOB_FACTS,)
    spared: tuple[str, ...] = (subjects.commands("jobs"), subjects.JOBS, subjects.JOB_FACTS)

    def __init__(self, kinds: Mapping[str, Kind], limits: JobLimits | None = None) -> None:
        self._kinds = kinds
        self._limits = limits or JobLimits()
        self.queue = Queue()

    def decide(self, command: Command, asked: Asked) -> Outcome:
        """What follows from a command.

        Raises:
            InvalidInput: an unknown kind, a body it cannot read, or an estimate beyond its bounds.
            Conflict: there is such a job already. Unknown: there is none to stop.
            LimitReached: too many wait.
        """
        match command:
            case SubmitJob():
                return self._submit(command, asked)
            case StopJob():
                return self._stop(command, asked)
            case _:
                raise Bug(f"{type(command).__name__} is no command about jobs.")

    def _submit(self, command: SubmitJob, asked: Asked) -> Outcome:
        subjects.token(command.job, "job")
        kind = self._kinds.get(command.kind)
        if kind is None:
            known = ", ".join(self._kinds)
            raise InvalidInput(f"There is no kind of job {command.kind[:40]!r}. Kinds: {known}.", field="kind")
        kind.read(command.body)
        self._check(command)
        if self.queue.state(command.job) is not None:
            raise Conflict(f"Job {command.job} exists.", field="job")
        limits = self._limits
        if len(self.queue.open) >= limits.queued_max:
            raise LimitReached(f"{len(self.queue.open)} jobs wait or run, and no more are taken. Try again later.")
        if sum(job.queued.user == command.user for job in self.queue.open.values()) >= limits.queued_per_user_max:
            raise LimitReached(
                f"{limits.queued_per_user_max} jobs of {command.user} wait or run, as many as one user may have "
                "(queued_per_user_max). Stop some, or try again later."
            )
        fact = JobQueued(
            job=command.job,
            kind=command.kind,
            body=command.body,
            user=command.user,
            title=command.title,
            cores=command.cores,
            memory_mb=command.memory_mb,
            queued_ns=asked.at_ns,
        )
        return Outcome(command.job, (fact,))

    def _check(self, command: SubmitJob) -> None:
        limits = self._limits
        if not 0 < command.cores <= limits.cores_max:
            raise InvalidInput(
                f"cores is {command.cores}; it must be above 0 and at most {limits.cores_max:g}.", field="cores"
            )
        if not 0 < command.memory_mb <= limits.memory_mb_max:
            raise InvalidInput(
                f"memory_mb is {command.memory_mb}; it must be from 1 to {limits.memory_mb_max}.", field="memory_mb"
            )
        if len(command.title) > limits.title_max:
            raise InvalidInput(f"A title has at most {limits.title_max} characters.", field="title")

    def _stop(self, command: StopJob, asked: Asked) -> Outcome:
        state = self.queue.state(command.job)
        if state is None:
            raise Unknown(f"There is no job {command.job[:64]!r}.", field="job")
        if state in OVER:
            return Outcome(command.job)
        return Outcome(command.job, (JobStopped(job=command.job, user=command.user, stopped_ns=asked.at_ns),))

    def evolve(self, fact: Fact, sequence: int, at_ns: int) -> None:
        """One more fact of a job."""
        self.queue.note(fact, sequence)

    def known(self) -> bytes:
        """See `Remembered`."""
        return msgspec.json.encode(self.queue.known())

    def restore(self, known: bytes) -> None:
        """See `Remembered`."""
        self.queue.restore(msgspec.json.decode(known, type=QueueState))

    def subject_of(self, fact: Fact) -> str:
        """The job's own."""
        return subjects.job(str(getattr(fact, "job", "")))
