"""Contract 001's stream of task events: the state at first, then what happens, and a heartbeat every few seconds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec

from api.auth.tokens import Identity
from api.auth.users import Role
from api.house import House
from api.platform.tasks import resources, task_queue, task_type
from api.reading.reader import Moment
from api.reading.wording import instant
from api.services.jobs import owner_of, queue
from api.streams.jobs import JobEvent
from events.clock import NS_PER_SECOND
from events.facts.jobs import JobClaimed, JobCompleted, JobFailed, JobProgressed, JobQueued, JobStopped

_encode = msgspec.json.Encoder().encode
Data = dict[str, Any]


def sse(name: str, body: Any) -> bytes:
    """One server-sent event."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), _encode(body))


def _queued(event: JobEvent) -> tuple[str, Data]:
    return "task_queued", {"task_type": task_type(event.job.kind), "queue_position": event.job.position}


def _running(event: JobEvent) -> tuple[str, Data]:
    return "task_running", {"task_type": task_type(event.job.kind), "description": event.job.description}


def _progressed(event: JobEvent) -> tuple[str, Data]:
    return "task_description_update", {"description": event.job.description, "progress": event.job.ratio}


def _over(event: JobEvent) -> tuple[str, Data]:
    """The contract has one word for every end; `status` says which, and `error` why."""
    return "task_completed", {"status": event.job.state, "error": event.job.error_message or None}


WORDS: dict[type, Callable[[JobEvent], tuple[str, Data]]] = {
    JobQueued: _queued,
    JobClaimed: _running,
    JobProgressed: _progressed,
    JobCompleted: _over,
    JobFailed: _over,
    JobStopped: _over,
}


def worded(event: JobEvent) -> bytes:
    """A job's event as the contract words it."""
    name, data = WORDS[type(event.fact)](event)
    return sse(name, {"type": name, "data": {"task_id": event.job.job, **data}})


async def task_events(house: House, identity: Identity) -> AsyncGenerator[bytes, None]:
    """Events of a user's jobs, of an admin everybody's. Ends when the client does not keep up."""
    admin, owner = identity.role.includes(Role.ADMIN), owner_of(identity)
    listener = house.jobs.join()
    try:
        await house.reader.wait_until(house.jobs.sequence)
        state = await house.reader.run(lambda snapshot: task_queue(queue(snapshot, owner)), Moment())
        yield sse("initial_state", {"type": "initial_state", "data": state.value, "is_admin": admin})
        beat = _Beat(house)
        while not listener.over:
            event = await listener.next(beat.rest())
            if event is not None and event.sequence > state.sequence and owner in (None, event.job.user):
                yield worded(event)
            if beat.due():
                yield await _heartbeat(house, admin)
    finally:
        house.jobs.leave(listener)


class _Beat:
    """When the next heartbeat is due."""

    def __init__(self, house: House) -> None:
        self._clock = house.clock
        self._every_ns = round(house.settings.api.heartbeat_seconds * NS_PER_SECOND)
        self._next_ns = self._clock.monotonic_ns() + self._every_ns

    def rest(self) -> float:
        """Seconds until then."""
        return max(0.0, (self._next_ns - self._clock.monotonic_ns()) / NS_PER_SECOND)

    def due(self) -> bool:
        """Whether it is time; asked once a beat."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_ns:
            return False
        self._next_ns = now_ns + self._every_ns
        return True


async def _heartbeat(house: House, admin: bool) -> bytes:
    body: Data = {"type": "heartbeat", "timestamp": instant(house.clock.now_ns()), "is_admin": admin}
    if admin:
        body["resources"] = resources(await house.machines.states())
    return sse("heartbeat", body)
