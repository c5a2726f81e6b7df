"""A house on a data folder of its own for one benchmark, and its instruments known before a session asks for them."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from api import bootstrap
from api.cli.up import Running, house, initialised
from api.settings import ApiSettings, EngineSettings, Settings, SourceSettings
from engine import catalogue
from engine.sources.source import forms_of
from events.clock import SystemClock


@asynccontextmanager
async def own_house(
    sources: tuple[SourceSettings, ...] = (), *, workers: int = 1
) -> AsyncIterator[tuple[Settings, Running]]:
    """Every process of a house, on a fresh tape in a temporary folder; the instruments of `sources` are in it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="tapedeck-bench-") as folder:
        settings = Settings(
            data=folder, api=ApiSettings(port=0), sources=sources, engine=EngineSettings(workers=workers)
        )
        await initialised(settings)
        async with house(settings) as running:
            for source in sources:
                await register(settings, source.id)
            yield settings, running


async def register(settings: Settings, source: str) -> None:
    """Put the instruments of a source into the catalogue, where a session looks them up."""
    connection = await bootstrap.connect(settings, "admin", SystemClock())
    try:
        await catalogue.register(connection.tape, forms_of(bootstrap.sources_of(settings)[source]))
    finally:
        await connection.close()
