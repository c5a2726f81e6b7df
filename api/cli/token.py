"""`tapedeck token`: an access token for the API, made where its secret lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from api.cli.telling import json_option, say, say_json
from api.cli.user import password_of, password_option
from api.settings import Settings

if TYPE_CHECKING:
    from api.auth.users import User, Users
    from api.places import Places


class Given(NamedTuple):
    """A token, and what goes with it."""

    token: str
    csrf: str
    user: str
    role: str
    seconds: int


@click.command("token", epilog="Example: `tapedeck token --user alice --minutes 30`")
@click.option("--user", "name", help="Ask for this user's password; else the admin of the generated password file.")
@click.option("--minutes", type=click.IntRange(1, 1_440), help="How long it lasts; else as the settings say.")
@password_option
@json_option
@click.pass_obj
def token(settings: Settings, name: str | None, minutes: int | None, password_stdin: bool, as_json: bool) -> None:
    """Print an access token for the API.

    Use it as `curl -H "Authorization: Bearer $(tapedeck token)" ...`. --json gives the CSRF token too.
    """
    from api.cli.running import run

    given = run(_given(settings, name, password_stdin, (minutes or settings.api.token_minutes) * 60))
    if as_json:
        say_json(
            {
                "access_token": given.token,
                "csrf_token": given.csrf,
                "token_type": "Bearer",
                "expires_in": given.seconds,
                "user": given.user,
                "role": given.role,
            }
        )
    else:
        say(given.token)


async def _given(settings: Settings, name: str | None, from_stdin: bool, seconds: int) -> Given:
    from api.auth import users
    from api.auth.tokens import Tokens, secret_file
    from api.cli.running import reached

    async with reached(settings) as line:
        known = await users.load(line.vault)
        found = _user(known, line.places, name, from_stdin)
        tokens = Tokens(secret_file(line.places.token_secret), line.clock)
        text = tokens.give(found, "access", seconds)
        csrf = tokens.csrf(tokens.check(text, "access", known))
        return Given(text, csrf, found.name, found.role.value, seconds)


def _user(known: Users, places: Places, name: str | None, from_stdin: bool) -> User:
    """Raises Unauthenticated, NotAvailable."""
    from api.services.founding import ADMIN
    from events.errors import NotAvailable

    if name is not None:
        return known.check(name, password_of(from_stdin))
    try:
        return known.check(ADMIN, places.password.read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        raise NotAvailable(
            f"There is no password file {places.password}: the admin's password was changed.",
            code="NO_PASSWORD_FILE",
            hint="Name yourself with --user.",
        ) from None
