"""Founding a house: its tape and its first admin, made once. Everything of it may be repeated."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

import msgspec

from api.auth import users
from api.auth.users import Role
from api.endpoints import tape_endpoint
from api.places import Places, read_mark
from api.servers import Servers
from api.settings import Settings
from events.children import write_private
from events.clock import Clock
from events.errors import Conflict
from events.facts import UserCreated
from events.jetstream import streams
from events.jetstream.link import Link
from events.jetstream.tape import JetStreamTape
from events.tape import Tape

ADMIN = "admin"
PASSWORD_BYTES = 16  # of randomness, 32 digits


class Founded(msgspec.Struct, frozen=True):
    """What stands now. `fresh`: the tape was made by this call."""

    epoch: str
    password_file: Path
    fresh: bool


async def found(settings: Settings, clock: Clock) -> Founded:
    """Make the streams and the admin with a generated password where there are none yet; the tape's server runs.

    Raises:
        TapeMissing, TapeForeign: this folder has a tape, and the server has not or has another.
        TapeUnavailable: the server does not answer.
    """
    places = Places(settings.folder)
    places.make()
    fresh = read_mark(places) is None
    epoch = await Servers(settings, clock).init()
    link = await Link.open(tape_endpoint(settings, "admin"))
    try:
        vault = await JetStreamTape.open(link, stream=streams.VAULT_STREAM, epoch=epoch, clock=clock)
        try:
            await ensure_admin(vault, places.password)
        finally:
            await vault.close()
    finally:
        await link.close()
    return Founded(epoch, places.password, fresh)


async def ensure_admin(vault: Tape, password_file: Path) -> None:
    """Create the admin where there is no user at all. The password is on disk before the user is on the vault."""
    known = await users.load(vault)
    if known.all():
        return
    fact = UserCreated(name=ADMIN, role=Role.ADMIN.value, password_hash=known.hash(kept_password(password_file)))
    with contextlib.suppress(Conflict):  # another process was faster; it had the same file
        await users.change(vault, fact)


def kept_password(password_file: Path) -> str:
    """The password in the 0600 file, made where there is none (an earlier founding may have ended behind it)."""
    if not password_file.exists():
        draft = password_file.with_name(f"{password_file.name}.{os.getpid()}")
        write_private(draft, f"{secrets.token_hex(PASSWORD_BYTES)}\n".encode())
        with contextlib.suppress(FileExistsError):  # another process founds this folder too: one file wins
            os.link(draft, password_file)
        draft.unlink()
    return password_file.read_text(encoding="utf-8").strip()
