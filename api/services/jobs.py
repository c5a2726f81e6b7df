"""Jobs: asking for them and for their end, and the queue as a user may see it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from api.auth.tokens import Identity
from api.auth.users import Role
from api.house import House
from api.reading.reader import Moment
from api.services.acting import Done, act
from engine.jobs.kinds import KINDS
from events.errors import Unknown
from events.facts.jobs import StopJob, SubmitJob
from projections.duckdb.store import Snapshot
from projections.read_models.answers import PAGE_ROWS_MAX, Listed, Page
from projections.read_models.jobs import JobFilter, JobRow, job, jobs

ANYBODY = None


class Asked(NamedTuple):
    """What a job is asked for with. `cores` and `memory_mb` of None: as its kind usually needs."""

    kind: str
    body: msgspec.Struct
    title: str
    cores: float | None = None
    memory_mb: int | None = None
    prefix: str = ""  # of its id


async def submit(house: House, user: str, key: str | None, asked: Asked) -> Done:
    """Queue a job; `Done.id` is its id.

    Raises:
        InvalidInput, LimitReached: see `engine.aggregates.jobs` and `act`.
    """
    kind, name = KINDS[asked.kind], asked.prefix + house.clock.new_id()
    body = msgspec.Raw(msgspec.json.encode(asked.body))
    return await act(
        house,
        user,
        key,
        lambda made: SubmitJob(
            key=made,
            user=user,
            job=name,
            kind=asked.kind,
            body=body,
            title=asked.title,
            cores=asked.cores or kind.cores,
            memory_mb=asked.memory_mb or kind.memory_mb,
        ),
    )


async def stop(house: House, identity: Identity, key: str | None, name: str) -> Done:
    """End a job of one's own, or as an admin of anybody.

    Raises:
        Unknown: there is none, or it is another user's.
    """
    await house.reader.run(lambda snapshot: own(snapshot, name, owner_of(identity)), Moment())
    return await act(house, identity.user, key, lambda made: StopJob(key=made, user=identity.user, job=name))


def owner_of(identity: Identity) -> str | None:
    """Whose jobs somebody may see: an admin everybody's."""
    return ANYBODY if identity.role.includes(Role.ADMIN) else identity.user


def own(snapshot: Snapshot, name: str, owner: str | None) -> JobRow:
    """A job that somebody may see. Raises Unknown."""
    row = job(snapshot, name)
    if owner is not None and row.user != owner:
        raise Unknown(f"There is no job {name[:64]!r} of yours.", field="job")
    return row


class QueueRows(NamedTuple):
    """The jobs of a user, or of all, that are not over."""

    running: Listed[JobRow]
    queued: Listed[JobRow]


def queue(snapshot: Snapshot, owner: str | None) -> QueueRows:
    """The queue as a user may see it, oldest first; places are among all jobs."""
    page = Page(limit=PAGE_ROWS_MAX)
    running = jobs(snapshot, JobFilter(states=("running",), user=owner), page)
    return QueueRows(running, jobs(snapshot, JobFilter(states=("queued",), user=owner), page))
