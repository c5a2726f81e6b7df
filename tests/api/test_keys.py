"""Keys of exchanges over starts and crashes, and their encryption at rest."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from api.auth.encryption import KEY_BYTES, MASTER_KEY, Sealed, master_key
from api.auth.keys import ApiKeys, KeyChanges, KeyWish, Secrets, hint
from events.clock import SystemClock
from events.errors import Conflict, InvalidInput, NotAvailable, Unknown
from events.memory_tape import MemoryTape

MASTER = b"m" * KEY_BYTES
WISH = KeyWish("binance", "testnet", Secrets("the key that is kept", "the secret that is kept"))


def keys_of(vault: MemoryTape, folder: Path, master: bytes = MASTER) -> ApiKeys:
    """The keys of one process."""
    return ApiKeys(vault, Sealed(master, folder), SystemClock())


def names(folder: Path) -> list[str]:
    """Files of a folder."""
    return os.listdir(folder)


async def test_a_new_start_reads_what_was_stored_and_nothing_that_was_destroyed(tmp_path: Path) -> None:
    """Changed labels keep their data key, replaced secrets and removed keys lose theirs, also after a crash."""
    vault = MemoryTape(clock=SystemClock())
    keys = keys_of(vault, tmp_path)
    await keys.start()
    kept, gone = await keys.store("ann", "", WISH), await keys.store("ann", "", WISH)
    await keys.change("ann", kept, KeyChanges(label="mine"))
    before = keys.find("ann", gone)
    wrapped = (tmp_path / before.data_key).read_bytes()
    await keys.remove("ann", gone)
    (tmp_path / before.data_key).write_bytes(wrapped)  # as if the process had died before it was destroyed
    await keys.close()
    again = keys_of(vault, tmp_path)
    await again.start()
    assert [one.label for one in again.of("ann")] == ["mine"]
    assert await again.secrets_of("ann", kept) == WISH.secrets
    assert names(tmp_path) == [again.find("ann", kept).data_key]
    with pytest.raises(Unknown):
        await again.secrets_of("bob", kept)
    await again.close()
    other = keys_of(vault, tmp_path, b"n" * KEY_BYTES)
    await other.start()
    with pytest.raises(NotAvailable):
        await other.secrets_of("ann", kept)
    await other.close()


async def test_two_processes_do_not_change_one_key_over_each_other(tmp_path: Path) -> None:
    """Who looked at an old version is told, and the key stays readable."""
    vault = MemoryTape(clock=SystemClock())
    one, other = keys_of(vault, tmp_path), keys_of(vault, tmp_path)
    await one.start()
    ident = await one.store("ann", "", WISH)
    await other.start()
    results = await asyncio.gather(
        one.change("ann", ident, KeyChanges(api_key="one's new key")),
        other.change("ann", ident, KeyChanges(api_key="the other's new key")),
        return_exceptions=True,
    )
    assert [type(result) for result in results if result] == [Conflict]
    changed = "one's new key" if results[0] is None else "the other's new key"
    assert await one.secrets_of("ann", ident) == Secrets(changed, WISH.secrets.api_secret)
    assert names(tmp_path) == [one.find("ann", ident).data_key]
    for each in (one, other):
        await each.close()


def test_nothing_at_rest_can_be_read_or_moved(tmp_path: Path) -> None:
    """Ciphertext and wrapped keys hold no plain text, differ each time, and open only under their own names."""
    sealed = Sealed(MASTER, tmp_path)
    first, second = sealed.seal("a", "live", b"canary"), sealed.seal("b", "live", b"canary")
    assert first != second
    assert b"canary" not in first.encode() + (tmp_path / "a").read_bytes()
    assert sealed.open("a", "live", first) == b"canary"
    for name, environment, text in (
        ("b", "live", first),
        ("a", "testnet", first),
        ("a", "live", first[:-8] + "AAAAAAA="),
    ):
        with pytest.raises(NotAvailable):
            sealed.open(name, environment, text)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    sealed.destroy("a")
    sealed.destroy("a")
    with pytest.raises(NotAvailable):
        sealed.open("a", "live", first)


def test_the_master_key_is_made_once_or_given(tmp_path: Path) -> None:
    """A 0600 file that stays, or 32 bytes of the environment; what is wrong is not repeated."""
    path = tmp_path / "secrets" / "master-key"
    made = master_key(path, {})
    assert (len(made), made) == (KEY_BYTES, master_key(path, {}))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["master-key"]
    assert master_key(path, {MASTER_KEY: "ab" * KEY_BYTES}) == b"\xab" * KEY_BYTES
    for wrong in ("", "canary", "ab" * 31):
        with pytest.raises(InvalidInput) as told:
            master_key(path, {MASTER_KEY: wrong})
        assert "canary" not in str(told.value)
    path.write_bytes(b"short")
    with pytest.raises(InvalidInput):
        master_key(path, {})


@pytest.mark.parametrize(
    ("secret", "shown"), [("", "..."), ("abc", "..."), ("abcd", "a...d"), ("x" * 16, "xxxx...xxxx")]
)
def test_hints_leave_most_of_a_short_secret_hidden(secret: str, shown: str) -> None:
    """At most a quarter at each end."""
    assert hint(secret) == shown
