"""`tapedeck run ROLE`: one process of a house, alone; the supervisor starts each of them so."""

from __future__ import annotations

import asyncio

import click

from api.settings import Settings


@click.command("run")
@click.argument("role", type=click.Choice(["engine", "worker", "projector", "api"]))
@click.pass_obj
def run(settings: Settings, role: str) -> None:
    """Run one process of a house on this machine until it is stopped."""
    from api.logs import set_up
    from api.processes.roles import ROLES

    set_up(settings.log_level, role)
    asyncio.run(ROLES[role](settings))
