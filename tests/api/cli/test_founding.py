"""Founding a house gives one admin with the password of a private file, however often it is repeated."""

from __future__ import annotations

import asyncio
from pathlib import Path

from api.auth import users
from api.auth.users import Role
from api.places import Places, read_mark
from api.servers import Servers
from api.services.founding import ADMIN, ensure_admin, found
from api.settings import Settings
from events.clock import ManualClock, SystemClock
from events.facts import UserRemoved
from events.memory_tape import MemoryTape


def vault() -> MemoryTape:
    """An empty vault."""
    return MemoryTape(clock=ManualClock())


async def test_admin_logs_in_with_the_password_of_the_file(tmp_path: Path) -> None:
    """The admin's password is the one in the file, which only its owner can read."""
    tape, file = vault(), tmp_path / "admin-password"
    await ensure_admin(tape, file)
    known = await users.load(tape)
    assert known.check(ADMIN, file.read_text().strip()).role is Role.ADMIN
    assert file.stat().st_mode & 0o777 == 0o600


async def test_founding_again_changes_nothing(tmp_path: Path) -> None:
    """A second founding adds no user and keeps the password, also where somebody removed the file."""
    tape, file = vault(), tmp_path / "admin-password"
    await ensure_admin(tape, file)
    before, last = file.read_text(), (await tape.info()).last
    await ensure_admin(tape, file)
    assert file.read_text() == before
    file.unlink()
    await ensure_admin(tape, file)
    assert not file.exists()
    assert (await tape.info()).last == last


async def test_a_founding_that_was_killed_goes_on_with_its_password(tmp_path: Path) -> None:
    """Where the file is there and the user is not, the user gets the file's password."""
    tape, file = vault(), tmp_path / "admin-password"
    file.write_text("a password from before\n")
    await ensure_admin(tape, file)
    assert (await users.load(tape)).check(ADMIN, "a password from before").name == ADMIN


async def test_two_foundings_at_once_agree(tmp_path: Path) -> None:
    """Two processes that found one folder at once leave one admin, whose password is in the file."""
    tape, file = vault(), tmp_path / "admin-password"
    await asyncio.gather(*(ensure_admin(tape, file) for _ in range(4)))
    known = await users.load(tape)
    assert [user.name for user in known.all()] == [ADMIN]
    assert known.check(ADMIN, file.read_text().strip())


async def test_a_removed_admin_stays_removed_while_others_are_there(tmp_path: Path) -> None:
    """Founding creates the first user only: it never brings back one that was removed."""
    tape, file = vault(), tmp_path / "admin-password"
    await ensure_admin(tape, file)
    known = await users.load(tape)
    await users.change(tape, users.UserCreated(name="boss", role="admin", password_hash=known.hash("x" * 12)))
    await users.change(tape, UserRemoved(name=ADMIN))
    await ensure_admin(tape, file)
    assert [user.name for user in (await users.load(tape)).all()] == ["boss"]


async def test_found_on_a_real_server(tmp_path: Path) -> None:
    """The streams are made once, under one epoch that the folder remembers."""
    settings, clock = Settings(data=str(tmp_path / "house")), SystemClock()
    servers = Servers(settings, clock)
    await servers.start(market=False)
    try:
        first, second = await found(settings, clock), await found(settings, clock)
    finally:
        await servers.stop()
    mark = read_mark(Places(settings.folder))
    assert mark is not None
    assert first.fresh
    assert not second.fresh
    assert first.epoch == second.epoch == mark.epoch
