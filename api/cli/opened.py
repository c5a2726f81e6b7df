"""How a verb that runs or reads sessions reaches the tape: the house that runs, else servers while the verb lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from api import bootstrap
from api.bootstrap import Connection
from api.cli.running import run, tape_server
from api.places import Places
from api.services.commands import Commands
from api.services.library import Lookups
from api.settings import Settings
from engine.recordings.reading import RecordingReader
from engine.recordings.segments import Segments
from engine.sessions import overruns
from engine.sessions.decider import Decider
from engine.strategies.registry import Registry
from events.clock import Clock, SystemClock
from events.facts import SessionSpec

__all__ = ["Opened", "opened", "run"]


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
        NotAvailable, Conflict, ProcessFailed, TapeRefused: see `tape_server`.
    """
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(tape_server(settings))
        connection = await bootstrap.connect(settings, "admin", clock)
        stack.push_async_callback(connection.close)
        registry = bootstrap.registry_of(settings)
        if house is None and modes:
            await overruns.tell(connection.tape, Places(settings.folder).overruns)
            host = stack.enter_context(bootstrap.placed_host(settings, connection, clock, modes))
            await host.start()
            stack.push_async_callback(host.close)
        segments = Segments(Places(settings.folder).segments, connection.tape.epoch)
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
