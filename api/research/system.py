"""Contract 002: health in words, and what the machine that answers has and uses."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from msgspec import Meta

from api.house import House
from api.processes.machine import MIB, Gpu, gpus
from api.research.envelope import Data, enveloped
from api.services.checkup import VERSION
from api.services.components import Device, Registry, usage, worst

HEALTHY = {"ok": "healthy", "warn": "degraded", "error": "unhealthy"}


class HealthWords(msgspec.Struct, frozen=True):
    """The whole, and each component in a word."""

    status: Annotated[str, Meta(description="healthy, degraded or unhealthy")]
    version: str
    components: Annotated[
        dict[str, str],
        Meta(description="ok, warn or error; `gpu`: available or unavailable; `mlflow`: unavailable, nothing trains"),
    ]


class CpuUse(msgspec.Struct, frozen=True):
    """Busy in the last seconds, of all cores."""

    percent: float
    cores: int


class GpuMemory(msgspec.Struct, frozen=True):
    """Bytes; null where there is no graphics card."""

    total: int | None = None
    used: int | None = None
    percent: float | None = None


class GpuUse(msgspec.Struct, frozen=True):
    """The first graphics card."""

    available: bool
    name: str | None
    memory: GpuMemory


class SystemMetrics(msgspec.Struct, frozen=True):
    """The machine that answers. Bytes."""

    cpu: CpuUse
    memory: Device
    gpu: GpuUse
    disk: Annotated[Device, Meta(description="of the data folder")]


@get("/api/v1/health", opt={"public": True})
async def health(
    request: Request[Any, Any, Any], house: NamedDependency[House], registry: NamedDependency[Registry]
) -> Response[Data[HealthWords]]:
    """Always 200 while the process answers. `database` is the worse of read model and market store."""
    parts = await registry.parts()
    words: dict[str, str] = {part.id: part.status for part in parts}
    words["database"] = worst([part for part in parts if part.id in ("read_model", "market")])
    cards = await asyncio.to_thread(gpus)
    words |= {"mlflow": "unavailable", "gpu": "available" if cards else "unavailable"}
    body = HealthWords(HEALTHY[worst(parts)], VERSION, words)
    return enveloped(request, body, sequence=house.runner.status().visible)


@get("/api/v1/metrics/system")
async def system_metrics(
    request: Request[Any, Any, Any], house: NamedDependency[House]
) -> Response[Data[SystemMetrics]]:
    """CPU, memory, disk and graphics card of the machine that answers."""
    found, cards = await asyncio.to_thread(lambda: (usage(str(house.settings.folder)), gpus()))
    cpu = CpuUse(found.cpu_percent, found.cores)
    body = SystemMetrics(cpu, found.memory, _gpu(cards[0] if cards else None), found.disk)
    return enveloped(request, body, sequence=house.runner.status().visible)


def _gpu(card: Gpu | None) -> GpuUse:
    if card is None:
        return GpuUse(False, None, GpuMemory())
    percent = round(100 * card.memory_used_mb / card.memory_mb, 1) if card.memory_mb else None
    return GpuUse(True, card.name, GpuMemory(card.memory_mb * MIB, card.memory_used_mb * MIB, percent))


HANDLERS = [health, system_metrics]
