"""What a job appends about itself: progress, and its one end. One writer, under the fence of its claim."""

from __future__ import annotations

import asyncio

import msgspec

from engine.jobs.life import Job
from events import codec, subjects
from events.clock import NS_PER_SECOND, Clock
from events.facts import Fact
from events.facts.jobs import JobCompleted, JobFailed, JobProgressed
from events.tape import Tape

MESSAGE_MAX = 2_000


class Steps:
    """Of one job under one claim. Every method raises FenceLost where the job was stopped or taken over."""

    def __init__(self, tape: Tape, clock: Clock, job: Job, claim: int, progress_seconds: float) -> None:
        self._tape = tape
        self._clock = clock
        self._job = job
        self._last = claim
        self._number = 0
        self._seconds = progress_seconds
        self._told_ns: int | None = None
        self._lock = asyncio.Lock()

    async def progress(self, ratio: float, description: str = "", detail: msgspec.Raw | None = None) -> None:
        """Tell how far it is. What comes too soon behind the last telling is left out: call it as often as you like."""
        now_ns = self._clock.monotonic_ns()
        if self._told_ns is not None and now_ns - self._told_ns < self._seconds * NS_PER_SECOND:
            return
        self._told_ns = now_ns
        fact = JobProgressed(
            job=self._job.id,
            epoch=self._job.epoch,
            ratio=min(1.0, max(0.0, ratio)),
            description=description,
            detail=detail or msgspec.Raw(b"null"),
        )
        await self._append(fact, f"progress:{self._number}")
        self._number += 1

    async def completed(self, result: msgspec.Struct) -> None:
        """The end, with the result. Raises TooLarge."""
        body = msgspec.Raw(msgspec.json.encode(result))
        fact = JobCompleted(job=self._job.id, epoch=self._job.epoch, result=body, completed_ns=self._clock.now_ns())
        await self._append(fact, "end")

    async def failed(self, code: str, message: str) -> None:
        """The end, without one."""
        fact = JobFailed(
            job=self._job.id,
            epoch=self._job.epoch,
            code=code,
            message=message[:MESSAGE_MAX],
            failed_ns=self._clock.now_ns(),
        )
        await self._append(fact, "failed")

    async def _append(self, fact: Fact, name: str) -> None:
        """`job:` tells its message ids from those of the job's session, which may have the job's own id."""
        job, subject = self._job, subjects.job(self._job.id)
        async with self._lock:
            append = codec.to_append(
                fact, subject, f"job:{job.id}:{job.epoch}:{name}", expected=self._last, fence=subject
            )
            self._last = await self._tape.append(append)
