"""`tapedeck user`: who may log in. Users are on the vault, which no tail shows."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from api.cli.telling import json_option, say, say_json, say_table
from api.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.auth.users import Users
    from events.facts import PasswordChanged, RoleChanged, UserCreated, UserRemoved

    Change = UserCreated | PasswordChanged | RoleChanged | UserRemoved
    Make = Callable[[Users], Change]

COMMAND_LINE = "command line"  # who it is there is known to the machine, not to us
ROLES = ("viewer", "trader", "admin")
PASSWORD_ENV = "TAPEDECK_PASSWORD"

password_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group("user")
def user() -> None:
    """Add, list, change and remove users.

    A password is asked for, read from standard input with --password-stdin, or taken from TAPEDECK_PASSWORD.
    """


@user.command("add", epilog="Example: `tapedeck user add alice --role trader`")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="What the user may do.")
@password_option
@click.pass_obj
def add(settings: Settings, name: str, role: str, password_stdin: bool) -> None:
    """Add a user."""
    from events.facts import UserCreated

    password = password_of(password_stdin, confirm=True)
    _change(settings, lambda known: UserCreated(name=name, role=role, password_hash=known.hash(password)))  # type: ignore[arg-type]
    say(f"user {name}, {role}")


@user.command("passwd", epilog="Example: `tapedeck user passwd alice`")
@click.argument("name")
@password_option
@click.pass_obj
def passwd(settings: Settings, name: str, password_stdin: bool) -> None:
    """Change a password; tokens given out before are void."""
    from events.facts import PasswordChanged

    password = password_of(password_stdin, confirm=True)
    _change(settings, lambda known: PasswordChanged(name=name, password_hash=known.hash(password)))
    _forget_generated(settings, name)
    say(f"user {name}: password changed, tokens void")


@user.command("role", epilog="Example: `tapedeck user role alice admin`")
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
@click.pass_obj
def role_(settings: Settings, name: str, role: str) -> None:
    """Change what a user may do; tokens given out before are void."""
    from events.facts import RoleChanged

    def change(known: Users) -> Change:
        _keep_an_admin(known, name, role)
        return RoleChanged(name=name, role=role)  # type: ignore[arg-type]

    _change(settings, change)
    say(f"user {name}, {role}")


@user.command("remove", epilog="Example: `tapedeck user remove alice`")
@click.argument("name")
@click.pass_obj
def remove(settings: Settings, name: str) -> None:
    """Remove a user; tokens given out before are void."""
    from events.facts import UserRemoved

    def change(known: Users) -> Change:
        _keep_an_admin(known, name, None)
        return UserRemoved(name=name)

    _change(settings, change)
    _forget_generated(settings, name)
    say(f"user {name} removed")


@user.command("list", epilog="Example: `tapedeck user list --json`")
@json_option
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """List users."""
    from api.cli.running import run

    found = run(_known(settings)).all()
    if as_json:
        say_json([{"name": one.name, "role": one.role.value} for one in found])
    else:
        say_table(("user", "role"), [(one.name, one.role.value) for one in found])


async def _known(settings: Settings) -> Users:
    from api.auth import users
    from api.cli.running import reached

    async with reached(settings) as line:
        return await users.load(line.vault)


def _change(settings: Settings, fact: Make) -> None:
    from api.cli.running import run

    run(_append(settings, fact))


async def _append(settings: Settings, fact: Make) -> None:
    from api.auth import users
    from api.cli.running import reached
    from events import codec, subjects
    from events.facts.audit import ActionAudited

    async with reached(settings) as line:
        made = fact(await users.load(line.vault))
        await users.change(line.vault, made)
        what = f"{type(made).__name__} {made.name}"
        audit = ActionAudited(action="user_changed", user=COMMAND_LINE, what=what)
        await line.tape.append(codec.to_append(audit, subjects.AUDIT, f"audit:{line.clock.new_id()}"))


def _keep_an_admin(known: Users, name: str, role: str | None) -> None:
    from events.errors import Conflict

    admins = [one.name for one in known.all() if one.role.value == "admin"]
    if admins == [name] and role != "admin":
        raise Conflict(f"{name} is the only admin.", field="name", hint="Make another user admin first.")


def _forget_generated(settings: Settings, name: str) -> None:
    """The file with the generated password says nothing true any more."""
    from api.places import Places

    if name == "admin":
        Places(settings.folder).password.unlink(missing_ok=True)


def password_of(from_stdin: bool, *, confirm: bool = False) -> str:
    """A password, never of the command line, where other users would see it. Raises InvalidInput."""
    from events.errors import InvalidInput

    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if PASSWORD_ENV in os.environ:
        return os.environ[PASSWORD_ENV]
    if not sys.stdin.isatty():
        raise InvalidInput(
            "There is no terminal to ask for the password.",
            field="password",
            hint=f"Use --password-stdin, or set {PASSWORD_ENV}.",
        )
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=confirm, err=True))
