"""`tapedeck init`: a new house, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from api.cli.telling import json_option, say, say_json
from api.settings import Settings

if TYPE_CHECKING:
    from api.services.founding import Founded


@click.command("init", epilog="Example: `tapedeck --data ~/trading init`")
@json_option
@click.pass_obj
def init(settings: Settings, as_json: bool) -> None:
    """Make the data folder, the tape and the admin user.

    The admin's password is generated and kept in a file that only you can read. Running it again changes nothing.
    """
    from api.cli.running import run

    founded = run(_init(settings))
    password = founded.password_file if founded.password_file.exists() else None
    if as_json:
        body = {"epoch": founded.epoch, "fresh": founded.fresh, "data": str(settings.folder)}
        say_json({**body, "password_file": str(password) if password else None})
        return
    state = "A new tape" if founded.fresh else "A tape is there already; nothing was changed"
    say(f"{state}: epoch {founded.epoch}, data folder {settings.folder}")
    if password:
        say(f"User admin, password in {password}")
    if founded.fresh:
        say("Next: `tapedeck demo`, `tapedeck import FILE`, or `tapedeck up`.")


async def _init(settings: Settings) -> Founded:
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
        if servers is not None and not settings.tape.url:  # elsewhere a seal process of its own does that
            await servers.guard()
        return founded
    finally:
        if servers is not None:
            await servers.stop()
