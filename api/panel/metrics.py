"""Contract 004: metrics of the system, as Prometheus reads them or as JSON."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency
from msgspec import Meta

from api.house import House
from api.reading.reader import Moment, answered
from api.services.components import Registry
from api.services.figures import METRICS, exposition, samples

TEXT = "text/plain; version=0.0.4"  # with the charset that every text is answered with


class MetricSample(msgspec.Struct, frozen=True):
    """One sample."""

    name: str
    labels: dict[str, str]
    value: float


class Metrics(msgspec.Struct, frozen=True):
    """Every sample now, and what each metric is."""

    metrics: list[MetricSample]
    help: Annotated[dict[str, str], Meta(description="by metric")]


@get("/api/metrics", media_type=MediaType.TEXT)
async def metrics(
    request: Request[Any, Any, Any], house: NamedDependency[House], registry: NamedDependency[Registry]
) -> Response[Metrics | str]:
    """Figures of the tape, components, processes, sessions, decisions, jobs, clients and requests.

    Prometheus' text format, or JSON for who accepts `application/json`.
    """
    found = await samples(house, registry)
    sequence, epoch = house.reader.now(Moment())
    if "application/json" not in request.headers.get("accept", ""):
        return answered(exposition(found), sequence, epoch, TEXT)
    told = [MetricSample(one.metric + one.part, dict(one.labels), one.value) for one in found]
    body = Metrics(told, {one.name: one.help for one in METRICS.values()})
    return answered(body, sequence, epoch)


HANDLERS = [metrics]
