"""How a verb reaches the tape: the house that runs, else servers for as long as the verb takes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from api import bootstrap
from api.bootstrap import Connection
from api.places import Places, running_house
from api.servers import Servers
from api.services.commands import Commands
from api.services.library import Lookups
from api.settings import Settings
from engine.recordings.reading import RecordingReader
from engine.recordings.segments import Segments
from engine.sessions.decider import Decider
from engine.strategies.registry import Registry
from events.clock import Clock, SystemClock
from events.facts import SessionSpec

log = structlog.get_logger(__name__)
T = TypeVar("T")


@dataclass(slots=True)
class Opened:
    """What a verb works with."""

    settings: Settings
    clock: Clock
    connection: Connection
    registry: Registry
    segments: Segments
    reader: RecordingReader
    lookups: Lookups
    commands: Commands
    api_url: str | None  # of the house that runs

    def decider(self, spec: SessionSpec) -> Decider:
        """A fresh decider of a specification."""
        return Decider(spec, self.registry)


@asynccontextmanager
async def opened(settings: Settings, *, modes: tuple[str, ...] = ()) -> AsyncIterator[Opened]:
    """Reach the tape; without a house that runs, sessions of `modes` are run by this process.

    Raises:
        NotAvailable: `init` never ran here.
    """
    clock = SystemClock()
    places = Places(settings.folder)
    house = running_house(places)
    async with AsyncExitStack() as stack:
        if house is None and not settings.tape.url:
            bootstrap.epoch_of(places)
            servers = Servers(settings, clock)
            await servers.start(market=False)
            stack.push_async_callback(servers.stop)
        connection = await bootstrap.connect(settings, "admin", clock)
        stack.push_async_callback(connection.close)
        registry = bootstrap.registry_of(settings)
        if house is None and modes:
            host = bootstrap.host(settings, connection, clock, modes)
            await host.start()
            stack.push_async_callback(host.close)
        segments = Segments(places.segments, connection.tape.epoch)
        lookups = Lookups(settings, registry, bootstrap.CodeHashes(registry))
        await lookups.start(connection.tape)
        stack.push_async_callback(lookups.close)
        commands = Commands(connection.tape, settings.api.answer_seconds_max)
        await commands.start()
        stack.push_async_callback(commands.close)
        yield Opened(
            settings,
            clock,
            connection,
            registry,
            segments,
            RecordingReader(connection.tape, segments),
            lookups,
            commands,
            house.api_url if house else None,
        )


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a verb's coroutine; SIGINT and SIGTERM cancel it, so that everything it started is stopped."""

    async def guarded() -> T:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        return await task

    return asyncio.run(guarded())
