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
    import structlog

    from api.logs import configure
    from api.processes.roles import ROLES

    configure(settings.log_level)
    structlog.contextvars.bind_contextvars(role=role)
    asyncio.run(ROLES[role](settings))
