"""Contract 003: status of the components, their figures, and the restart of one."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter
from msgspec import Meta

from api.access import user_of
from api.house import House
from api.processes.machine import MIB, gpus
from api.reading.asking import TEXT_MAX
from api.reading.reader import answered
from api.services.components import Figures, Part, Registry, Word, uptime
from api.session_control import Key
from events.clock import iso

ComponentId = Annotated[str, PathParameter(description="as /api/components lists them", max_length=TEXT_MAX)]


class StatusOf(msgspec.Struct, frozen=True):
    """One component."""

    name: str
    status: Word
    running: bool
    uptime: Annotated[str, Meta(description="such as `1d 2h 3m 4s`; `unknown` of a server that does not tell")]
    version: str
    details: str


class GpuItem(msgspec.Struct, frozen=True, rename="camel"):
    """A graphics card of the machine that answers; memory in bytes, utilization in percent."""

    id: str
    name: str
    memory_total: int
    memory_used: int
    utilization: float


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """Every component by id. `gpus` is left out where there are none."""

    timestamp: str
    components: dict[str, StatusOf]
    gpus: list[GpuItem] = []


class ComponentItem(StatusOf, frozen=True, kw_only=True):
    """One component of the list."""

    id: str
    restartable: Annotated[bool, Meta(description="whether it is processes that a restart can restart")]


class Components(msgspec.Struct, frozen=True):
    """All components."""

    components: list[ComponentItem]
    total: int
    timestamp: str


class ComponentMetrics(msgspec.Struct, frozen=True):
    """How far a component has come, and what its processes use."""

    id: str
    status: Word
    timestamp: str
    metrics: Annotated[
        dict[str, float], Meta(description="uptime_seconds, sequence, lag (both whole), lag_seconds: as far as known")
    ]
    processes: list[Figures]


class Restarted(msgspec.Struct, frozen=True):
    """A restart that the supervisor was told of; that it happened is a `ProcessRestarted` of the tape."""

    id: str
    status: Annotated[str, Meta(description="restarting")]
    processes: list[str]


async def status_of(house: House, registry: Registry) -> Status:
    """Contract 003's view of all components."""
    parts = await registry.parts()
    cards = await asyncio.to_thread(gpus)
    items = [
        GpuItem(str(number), one.name, one.memory_mb * MIB, one.memory_used_mb * MIB, 100 * one.used_ratio)
        for number, one in enumerate(cards)
    ]
    return Status(iso(house.clock.now_ns()), {part.id: StatusOf(**_said(part)) for part in parts}, items)


def _said(part: Part) -> dict[str, Any]:
    return {
        "name": part.name,
        "status": part.status,
        "running": part.running,
        "uptime": uptime(part.uptime_seconds),
        "version": part.version,
        "details": part.details,
    }


def _now(body: object, house: House) -> Response[Any]:
    return answered(body, house.runner.status().visible, house.reader.epoch)


@get("/api/status")
async def status(house: NamedDependency[House], registry: NamedDependency[Registry]) -> Response[Status]:
    """Every component: whether it runs, for how long, and how it is."""
    return _now(await status_of(house, registry), house)


@get("/api/components")
async def components(house: NamedDependency[House], registry: NamedDependency[Registry]) -> Response[Components]:
    """The same as a list, with the ids that the routes of one component take."""
    parts = await registry.parts()
    items = [ComponentItem(id=part.id, restartable=bool(part.processes), **_said(part)) for part in parts]
    return _now(Components(items, len(items), iso(house.clock.now_ns())), house)


@get("/api/components/{component_id:str}/metrics")
async def component_metrics(
    component_id: ComponentId, house: NamedDependency[House], registry: NamedDependency[Registry]
) -> Response[ComponentMetrics]:
    """Figures of one component, and of each of its processes."""
    part = await registry.part(component_id)
    names = ("uptime_seconds", "sequence", "lag", "lag_seconds")
    metrics = {name: value for name in names if (value := getattr(part, name)) is not None}
    body = ComponentMetrics(part.id, part.status, iso(house.clock.now_ns()), metrics, await registry.figures(part))
    return _now(body, house)


@post("/api/components/{component_id:str}/restart", status_code=200, opt={"role": "trader"})
async def restart_component(
    component_id: ComponentId,
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    registry: NamedDependency[Registry],
    key: Key = None,
) -> Response[Restarted]:
    """Have the processes of a component stopped and started again by their supervisor. What lives in the API (the read
    model, the streams) is restarted with it; of `tape` and `market` it is the server, where it is a child of the house.
    409 where no supervisor of ours runs it.
    """
    part = await registry.part(component_id)
    sequence = await registry.restart(user_of(request).user, key, part)
    return answered(Restarted(part.id, "restarting", list(part.processes)), sequence, house.reader.epoch)


HANDLERS = [status, components, component_metrics, restart_component]
