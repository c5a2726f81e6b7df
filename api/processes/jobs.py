"""The part of a worker process that does jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api import bootstrap
from api.processes.machine import Machine, room_of_machine
from api.processes.signs import host_name
from api.services.library import Lookups
from api.settings import Settings
from engine.jobs.kinds import KINDS
from engine.jobs.runner import JobRunner, JobSettings
from engine.jobs.sessions import JobSessions
from engine.jobs.work import Tools
from engine.sessions.plan import Library
from events.clock import Clock

RETRY_SECONDS = 1.0  # before a session is asked for again while as many run as may


@asynccontextmanager
async def job_runner(settings: Settings, connection: bootstrap.Connection, clock: Clock) -> AsyncIterator[JobRunner]:
    """A job runner that runs until the block ends. Raises TapeUnavailable, InvalidInput."""
    registry = bootstrap.registry_of(settings)
    lookups = Lookups(settings, registry, bootstrap.CodeHashes(registry))

    async def library() -> Library:
        await lookups.current(connection.tape)
        return lookups.library()

    tools = Tools(
        around=bootstrap.surroundings(settings, connection, registry, clock),
        strategies=registry,
        library=library,
        sessions=JobSessions(connection.tape, clock, RETRY_SECONDS),
    )
    chosen = job_settings(settings)
    runner = JobRunner(tools, KINDS, connection.keys, chosen, Machine(chosen, clock, settings.folder).describe)
    await lookups.start(connection.tape)
    try:
        await runner.start(lookups.ended())
        yield runner
    finally:
        await runner.close()
        await lookups.close()


def job_settings(settings: Settings) -> JobSettings:
    """Limits of this process's job runner, and the room of its machine."""
    jobs = settings.jobs
    return JobSettings(
        worker=bootstrap.process_name(),
        machine=host_name(),
        room=room_of_machine(jobs.cores, jobs.memory_mb),
        overtakes_max=jobs.overtakes_max,
        claims_max=jobs.claims_max,
        progress_seconds=jobs.progress_seconds,
    )
