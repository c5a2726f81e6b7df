"""`tapedeck run ROLE`: one process of a house, alone; the supervisor starts each of them so."""

from __future__ import annotations

import asyncio
import gc

import click

from api.processes.table import PLACES
from api.settings import Settings

MIB = 1024 * 1024
START_SECONDS = 3.0  # in which nothing is collected: what a start makes stays, and looking through it takes a tenth


@click.command("run")
@click.argument("role", type=click.Choice(list(PLACES)))
@click.option("--name", default="", metavar="NAME", help="What health calls it; by default its role and process id.")
@click.pass_obj
def run(settings: Settings, role: str, name: str) -> None:
    """Run one process of a house on this machine until it is stopped."""
    gc.disable()
    import structlog

    from api.logs import configure
    from api.places import Places
    from api.processes import table
    from api.rotation import Rotation

    configure(settings.log_level)
    structlog.contextvars.bind_contextvars(role=role)
    Rotation(Places(settings.folder).logs, settings.logs.file_mb * MIB, settings.logs.files_max).start()

    async def work() -> None:
        asyncio.get_running_loop().call_later(START_SECONDS, gc.enable)
        await table.role(role)(settings, name)

    asyncio.run(work())
