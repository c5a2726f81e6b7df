"""Contract 001: resources of the machines, the queue of tasks, and their events."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.access import still_the_same, user_of
from api.auth.users import Role
from api.house import House
from api.platform.task_events import task_events
from api.platform.tasks import Resources, TaskQueue, resources, task_queue
from api.reading.reader import Moment, answered
from api.services.jobs import owner_of, queue
from api.streams.response import EventStream

VIEWER = {"role": "viewer"}
ADMIN_401 = {"role": "admin", "forbidden": 401}  # C13

Token = Annotated[
    str | None, QueryParameter(description="an access token, for browsers, which cannot set headers", max_length=8_192)
]


class SystemResources(msgspec.Struct, frozen=True, omit_defaults=True):
    """The queue; an admin sees everybody's tasks, and the resources."""

    queue: TaskQueue
    is_admin: bool
    resources: Resources | None = None


class OnlyResources(msgspec.Struct, frozen=True):
    """The resources."""

    resources: Resources


@get("/api/system/resources", opt=VIEWER)
async def system_resources(
    request: Request[Any, Any, Any], house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[SystemResources]:
    """Tasks that run or wait; for an admin those of everybody, and the machines' resources."""
    identity = user_of(request)
    admin = identity.role.includes(Role.ADMIN)
    found = await house.reader.run(lambda snapshot: task_queue(queue(snapshot, owner_of(identity))), at)
    shown = resources(await house.machines.states()) if admin else None
    return answered(SystemResources(found.value, admin, shown), found.sequence, found.epoch)


@get("/api/system/resources-only", opt=ADMIN_401)
async def resources_only(house: NamedDependency[House], at: NamedDependency[Moment]) -> Response[OnlyResources]:
    """CPU, memory, disk and graphics cards of the machines that do jobs."""
    sequence, epoch = house.reader.now(at)
    return answered(OnlyResources(resources(await house.machines.states())), sequence, epoch)


@get("/api/system/queue", opt=VIEWER)
async def task_queue_now(
    request: Request[Any, Any, Any], house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[TaskQueue]:
    """Tasks that run or wait; for an admin those of everybody."""
    owner = owner_of(user_of(request))
    return await house.reader.one(lambda snapshot: task_queue(queue(snapshot, owner)), at)


@get("/api/system/task-events", media_type="text/event-stream", opt=VIEWER)
async def stream_task_events(
    request: Request[Any, Any, Any], house: NamedDependency[House], token: Token = None
) -> EventStream:
    """Server-sent events: `initial_state`, then `task_queued`, `task_running`, `task_description_update` and
    `task_completed` as they happen, and a `heartbeat` every few seconds.
    """
    house.jobs.check_room()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Tape-Epoch": house.reader.epoch}
    return EventStream(task_events(house, user_of(request)), headers, still_the_same(request, house))


HANDLERS = [system_resources, resources_only, task_queue_now, stream_task_events]
