"""Keys of exchanges over starts and crashes, and their encryption at rest."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import msgspec
import pytest

from api.auth.encryption import KEY_BYTES, MASTER_KEY, Sealed, master_key
from api.auth.key_rights import Rights, Venues
from api.auth.keys import ApiKeys, KeyChanges, KeyWish, Secrets, hint
from api.auth.providers import PROVIDERS
from api.auth.tokens import secret_file
from engine.feeds.formats.ohlcv import VENUES
from events import codec
from events.clock import SystemClock
from events.errors import Conflict, InvalidInput, LimitReached, NotAvailable, Unknown, VenueUnavailable
from events.facts.users import UserCreated, UserRemoved
from events.memory_tape import MemoryTape

MASTER = b"m" * KEY_BYTES
WISH = KeyWish("binance", "testnet", Secrets("the key that is kept", "the secret that is kept"))


def wish(api_key: str) -> KeyWish:
    """Another key to store."""
    return KeyWish("binance", "testnet", Secrets(api_key, "the secret that is kept"))


def keys_of(vault: MemoryTape, folder: Path, master: bytes = MASTER, venues: Venues | None = None) -> ApiKeys:
    """The keys of one process."""
    return ApiKeys(vault, Sealed(master, folder), SystemClock(), venues or {})


def names(folder: Path) -> list[str]:
    """Files of a folder."""
    return os.listdir(folder)


async def test_a_new_start_reads_what_was_stored_and_nothing_that_was_destroyed(tmp_path: Path) -> None:
    """Changed labels keep their data key, replaced secrets and removed keys lose theirs, also after a crash."""
    vault = MemoryTape(clock=SystemClock())
    keys = keys_of(vault, tmp_path)
    await keys.start()
    kept, gone = await keys.store("ann", "", WISH), await keys.store("ann", "", wish("another key"))
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


async def test_a_request_stores_one_key_however_often_it_comes_and_never_again_once_it_is_removed(
    tmp_path: Path,
) -> None:
    """Five at once in two processes are one key; a late repeat does not bring back what its user destroyed."""
    vault = MemoryTape(clock=SystemClock())
    one, other = keys_of(vault, tmp_path), keys_of(vault, tmp_path)
    for each in (one, other):
        await each.start()
    idents = await asyncio.gather(*(each.store("ann", "once", WISH) for each in (one, other, one, other, one)))
    assert len(set(idents)) == 1 == len(names(tmp_path))
    with pytest.raises(Conflict, match="used for another request"):
        await one.store("ann", "once", KeyWish("binance", "testnet", Secrets("another key", "another secret")))
    await one.remove("ann", idents[0])
    assert await one.store("ann", "once", WISH) == idents[0]
    assert (one.of("ann"), names(tmp_path)) == ([], [])
    assert await one.store("bob", "once", WISH) != idents[0]  # whose request is another
    for each in (one, other):
        await each.close()


async def test_a_key_is_stored_once_a_provider_and_environment(tmp_path: Path) -> None:
    """The same again is told its id and changes nothing, five at once too; what only looks alike is kept."""
    vault = MemoryTape(clock=SystemClock())
    one, other = keys_of(vault, tmp_path), keys_of(vault, tmp_path)
    for each in (one, other):
        await each.start()
    results = await asyncio.gather(
        *(each.store("ann", "", WISH) for each in (one, other, one, other, one)), return_exceptions=True
    )
    told = [result for result in results if isinstance(result, Conflict)]
    assert [conflict.code for conflict in told] == ["KEY_STORED"] * 4
    (held,) = one.of("ann")
    assert all(held.id in conflict.hint and WISH.secrets.api_key not in str(conflict) for conflict in told)
    alike = await one.store("ann", "", wish("the key that is here kept"))  # the same hint
    assert one.find("ann", alike).key_hint == held.key_hint
    await one.store("bob", "", WISH)
    await one.store("ann", "", msgspec.structs.replace(WISH, environment="live"))
    await one.store("ann", "", msgspec.structs.replace(WISH, provider_id="okx"))
    assert len(names(tmp_path)) == len(one.of("ann")) + len(one.of("bob")) == 5
    with pytest.raises(Conflict, match="stored already"):
        await one.change("ann", alike, KeyChanges(api_key=WISH.secrets.api_key))
    await one.change("ann", held.id, KeyChanges(api_key=WISH.secrets.api_key))  # its own again
    await one.remove("ann", held.id)
    await one.change("ann", alike, KeyChanges(api_key=WISH.secrets.api_key))
    with pytest.raises(Conflict, match="stored already"):
        await one.store("ann", "", WISH)
    for each in (one, other):
        await each.close()


async def test_the_bound_of_keys_holds_for_those_stored_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three at once that would pass it, as many are kept as there is room for."""
    monkeypatch.setattr("api.auth.keys.KEYS_MAX", 2)
    keys = keys_of(MemoryTape(clock=SystemClock()), tmp_path)
    await keys.start()
    results = await asyncio.gather(
        *(keys.store("ann", "", wish(f"key {at}")) for at in range(3)), return_exceptions=True
    )
    assert sum(isinstance(result, LimitReached) for result in results) == 1
    assert len(keys.of("ann")) == 2 == len(names(tmp_path))
    await keys.close()


async def test_a_removed_user_leaves_no_key_to_the_next_of_that_name(tmp_path: Path) -> None:
    """Their keys and data keys are gone in every process, those too that were stored while they were removed."""
    vault = MemoryTape(clock=SystemClock())
    keys = keys_of(vault, tmp_path)
    await keys.start()
    ident = await keys.store("ann", "once", WISH)
    held = keys.find("ann", ident)
    for fact in (UserCreated("ann", "trader", "x"), UserRemoved("ann")):
        await vault.append(codec.to_append(fact, "vault.user.ann", type(fact).__name__))
    late = msgspec.structs.replace(held, id="late")
    await vault.append(codec.to_append(late, "vault.key.late", "late"))
    await vault.append(codec.to_append(UserCreated("ann", "trader", "y"), "vault.user.ann", "again"))
    mine = await keys.store("ann", "once", WISH)
    assert [one.id for one in keys.of("ann")] == [mine] != [ident]
    assert names(tmp_path) == [keys.find("ann", mine).data_key]
    await keys.close()
    again = keys_of(vault, tmp_path)
    await again.start()
    assert [one.id for one in again.of("ann")] == [mine]
    await again.close()


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
    path.chmod(0o640)
    with pytest.raises(InvalidInput, match="can be read by others"):
        master_key(path, {})
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(InvalidInput, match="does not hold 32 bytes"):
        master_key(path, {})
    with pytest.raises(InvalidInput, match="does not hold 32 bytes"):
        secret_file(path)  # what a crash had left half written would sign nothing


@pytest.mark.parametrize(
    ("secret", "shown"), [("", "..."), ("abc", "..."), ("abcd", "a...d"), ("x" * 16, "xxxx...xxxx")]
)
def test_hints_leave_most_of_a_short_secret_hidden(secret: str, shown: str) -> None:
    """At most a quarter at each end."""
    assert hint(secret) == shown


class Exchange:
    """A venue in memory: what is called `rich` can withdraw, what is called `slow` is never answered."""

    async def rights(self, environment: str, api_key: str, api_secret: str) -> Rights:
        """See `KeyVenue.rights`."""
        await asyncio.sleep(60 if "slow" in api_key else 0)
        return Rights(trade=True, withdraw="rich" in api_key)


async def test_a_key_that_can_withdraw_is_refused_for_live_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its venue is asked when it is stored and when it is changed; what is refused, or unasked, is not kept."""
    monkeypatch.setattr("api.auth.key_rights.RIGHTS_SECONDS_MAX", 0.05)
    keys = keys_of(MemoryTape(clock=SystemClock()), tmp_path, venues={"binance": Exchange()})
    await keys.start()

    async def store(provider: str, environment: str, api_key: str) -> str:
        return await keys.store("ann", "", KeyWish(provider, environment, Secrets(api_key, "the secret")))

    for api_key, error, code in (
        ("rich key", InvalidInput, "KEY_CAN_WITHDRAW"),
        ("slow key", VenueUnavailable, "VENUE_UNAVAILABLE"),
    ):
        with pytest.raises(error) as told:
            await store("Binance", "live", api_key)
        assert told.value.code == code
        assert api_key not in str(told.value)
    assert (keys.of("ann"), names(tmp_path)) == ([], [])
    good = await store("binance", "live", "plain key")
    with pytest.raises(InvalidInput, match="can withdraw"):
        await keys.change("ann", good, KeyChanges(api_key="rich key"))
    assert await keys.secrets_of("ann", good) == Secrets("plain key", "the secret")
    await keys.change("ann", good, KeyChanges(label="mine"))  # the same secrets are not asked about
    for provider, environment in (("binance", "testnet"), ("okx", "live")):  # no money; no venue here
        await store(provider, environment, "rich key")
    assert len(keys.of("ann")) == 3
    await keys.close()


def test_keys_are_of_the_venues_that_imports_know() -> None:
    """Whatever trades still and can be imported by its name is a provider."""
    assert {venue.lower() for venue in VENUES} - {"ftx"} <= set(PROVIDERS)
