"""`tapedeck init`: a new house, once."""

from __future__ import annotations

import click

from api.settings import Settings


@click.command("init")
@click.pass_obj
def init(settings: Settings) -> None:
    """Make the data folder, the tape and the admin user.

    The admin's password is generated and kept in a file that only you can read. Running it again changes nothing.
    """
    from api.cli.running import run

    run(_init(settings))


async def _init(settings: Settings) -> None:
    from api.places import Places, running_house
    from api.servers import Servers
    from api.services.founding import found
    from events.clock import SystemClock

    clock = SystemClock()
    servers = Servers(settings, clock) if running_house(Places(settings.folder)) is None else None
    try:
        if servers is not None:
            await servers.start(market=False)
        founded = await found(settings, clock)
        if servers is not None:
            await servers.guard()
    finally:
        if servers is not None:
            await servers.stop()
    state = "A new tape" if founded.fresh else "A tape is there already; nothing was changed"
    click.echo(f"{state}: epoch {founded.epoch}, data folder {settings.folder}")
    if founded.password_file.exists():
        click.echo(f"User admin, password in {founded.password_file}")
    if founded.fresh:
        click.echo("Next: `tapedeck demo`, `tapedeck import FILE`, or `tapedeck up`.")
