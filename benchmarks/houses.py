"""A house on a data folder of its own for one benchmark, and its instruments known before a session asks for them."""

from __future__ import annotations

import asyncio
import logging
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from api import bootstrap
from api.cli.opened import Opened
from api.cli.up import Running, house, initialised
from api.settings import ApiSettings, EngineSettings, LimitsSettings, Settings, SourceSettings
from engine import catalogue
from engine.recordings.shelf import RecordingState
from engine.sources.source import forms_of
from events.clock import SystemClock
from events.tape import Tape

UNLIMITED = LimitsSettings(per_second=1_000_000_000, reads_per_minute=1_000_000_000)  # the load is one client
SECONDS_MAX, POLL_SECONDS = 120.0, 0.02


@asynccontextmanager
async def own_house(
    sources: tuple[SourceSettings, ...] = (), engine: EngineSettings | None = None
) -> AsyncIterator[tuple[Settings, Running]]:
    """Every process of a house, on a fresh tape in a temporary folder; the instruments of `sources` are in it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="tapedeck-bench-") as folder:
        settings = Settings(
            data=folder,
            api=ApiSettings(port=0),
            sources=sources,
            engine=engine or EngineSettings(workers=1),
            limits=UNLIMITED,
        )
        await initialised(settings)
        async with house(settings) as running:
            for source in sources:
                await register(settings, source.id)
            yield settings, running


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def register(settings: Settings, source: str) -> None:
    """Put the instruments of a source into the catalogue, where a session looks them up."""
    connection = await bootstrap.connect(settings, "admin", SystemClock())
    try:
        await catalogue.register(connection.tape, forms_of(bootstrap.sources_of(settings)[source]))
    finally:
        await connection.close()


async def ended(tape: Tape, session: str) -> None:
    """Wait until a session has ended. Raises SystemExit where it failed or takes too long."""
    for _ in range(round(SECONDS_MAX / POLL_SECONDS)):
        last = await tape.last(f"tape.*.{session}.fact")
        if last is not None and b'"type":"SessionEnded"' in last.body[:30]:
            return
        if last is not None and b'"type":"SessionFailed"' in last.body[:30]:
            raise SystemExit(f"{session} failed: {last.body.decode()}")
        await asyncio.sleep(POLL_SECONDS)
    raise SystemExit(f"{session} did not end within {SECONDS_MAX:g} s")


async def known(tools: Opened, recording: str) -> None:
    """Wait until the lookups have a recording complete. Raises SystemExit where it takes too long."""
    shelf = tools.lookups.shelf
    for _ in range(round(SECONDS_MAX / POLL_SECONDS)):
        if recording in shelf.recordings and shelf.recordings[recording].state is RecordingState.COMPLETE:
            return
        await asyncio.sleep(POLL_SECONDS)
    raise SystemExit(f"recording {recording} was not seen within {SECONDS_MAX:g} s")
