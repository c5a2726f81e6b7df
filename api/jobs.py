"""Jobs of every kind: list, one, stop. They are asked for under the contract that knows their kind."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta

from api.access import user_of
from api.house import House
from api.reading.asking import TEXT_MAX
from api.reading.reader import Listing, Moment
from api.reading.wording import Wording
from api.services.jobs import own, owner_of, stop
from api.session_control import Key, done
from engine.jobs.life import JobState
from events.errors import InvalidInput
from projections.read_models.answers import Page
from projections.read_models.jobs import JobFilter, JobRow, jobs

JobId = Annotated[str, PathParameter(description="id of a job", max_length=TEXT_MAX)]


class JobBody(msgspec.Struct, frozen=True):
    """One job."""

    job: str
    kind: str
    user: str
    title: str
    state: Annotated[str, Meta(description="queued, running, completed, failed or stopped")]
    position: Annotated[int, Meta(description="in the queue, 1 is the next; 0 where it does not wait")]
    progress: Annotated[float, Meta(description="done, 0 to 1")]
    description: str
    detail: Annotated[Any, Meta(description="figures of its kind while it runs")]
    cores: float
    memory_mb: int
    worker: str
    machine: str
    claim: Annotated[int, Meta(description="how often a worker took it up")]
    error_code: str
    error_message: str
    queued_time: str | None
    claimed_time: str | None
    ended_time: str | None
    sequence: Annotated[int, Meta(description="its place in the queue, on the tape")]
    changed_at: Annotated[int, Meta(description="sequence of the last fact of its life")]


class JobWhole(msgspec.Struct, frozen=True):
    """One job with what was asked and its result."""

    job: JobBody
    body: Annotated[Any, Meta(description="as its kind reads it")]
    result: Annotated[Any, Meta(description="as its kind writes it; null until it is completed")]


class JobPage(Listing[JobBody], frozen=True):
    """One page of jobs."""


class StopBody(msgspec.Struct, frozen=True):
    """A stop that was accepted. `changed` is false where the job was over already."""

    job: str
    changed: bool


JOB = Wording(JobRow, JobBody, progress=lambda row: row.ratio)


@get("/api/jobs", opt={"role": "viewer", "newest": True})
async def list_jobs(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    page: NamedDependency[Page],
    kind: Annotated[str | None, QueryParameter(description="only of this kind", max_length=TEXT_MAX)] = None,
    job_state: Annotated[str | None, QueryParameter(name="state", description="only so", max_length=TEXT_MAX)] = None,
) -> Response[JobPage]:
    """Jobs, newest first: one's own, an admin's view everybody's."""
    if job_state is not None and job_state not in list(JobState):
        raise InvalidInput(f"state must be one of {', '.join(JobState)}.", field="state")
    filter = JobFilter(
        kinds=(kind,) if kind else (), states=(job_state,) if job_state else (), user=owner_of(user_of(request))
    )
    return await house.reader.page(lambda snapshot: jobs(snapshot, filter, page), JOB, at, page)


@get("/api/jobs/{job:str}", opt={"role": "viewer"})
async def one_job(
    job: JobId, request: Request[Any, Any, Any], house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[JobWhole]:
    """One job, what was asked and its result."""
    owner = owner_of(user_of(request))

    def work(snapshot: Any) -> JobWhole:
        row = own(snapshot, job, owner)
        return JobWhole(JOB(row), row.body, row.result)

    return await house.reader.one(work, at)


@post("/api/jobs/{job:str}/stop", status_code=200, opt={"role": "trader"})
async def stop_job(
    job: JobId, request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[StopBody]:
    """Stop a job of one's own, or as an admin of anybody: it is never begun, or broken off with its sessions."""
    how = await stop(house, user_of(request), key, job)
    return done(StopBody(job, how.changed), how, house)


HANDLERS = [list_jobs, one_job, stop_job]
