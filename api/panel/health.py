"""Contract 004: health of the components, of the databases, of the broker's connection and of the machine."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import Meta

from api.house import House
from api.reading.reader import answered
from api.services.components import Part, Registry, Usage, Word, usage, worst
from events.clock import iso

DATABASES = ("read_model", "market")


class Broker(msgspec.Struct, frozen=True):
    """The connection to a real venue."""

    status: str
    detail: str


class ComponentsHealth(msgspec.Struct, frozen=True):
    """The whole."""

    status: Annotated[Word, Meta(description="the worst of all components")]
    timestamp: str
    components: dict[str, Part]
    database: Annotated[dict[str, Part], Meta(description="those components that are databases")]
    broker: Broker
    resources: Usage


@get("/api/health/components")
async def components_health(
    house: NamedDependency[House], registry: NamedDependency[Registry]
) -> Response[ComponentsHealth]:
    """Every component with its figures, and the machine that answers."""
    parts = await registry.parts()
    by_id = {part.id: part for part in parts}
    body = ComponentsHealth(
        status=worst(parts),
        timestamp=iso(house.clock.now_ns()),
        components=by_id,
        database={name: by_id[name] for name in DATABASES},
        broker=Broker("not_configured", "no venue is connected: sessions run on simulated fills"),
        resources=await asyncio.to_thread(usage, str(house.settings.folder)),
    )
    return answered(body, house.runner.status().visible, house.reader.epoch)


HANDLERS = [components_health]
