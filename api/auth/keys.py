"""Keys of exchanges: an aggregate on the VAULT stream. Secrets are encrypted there, and nowhere else at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from api.auth.encryption import Sealed
from api.auth.key_rights import Venues, check_rights
from events import codec
from events.clock import Clock
from events.errors import Conflict, FenceLost, LimitReached, NotAvailable, ReadModelUnavailable, Unknown
from events.facts.keys import ApiKeyRemoved, ApiKeyStored
from events.facts.users import UserCreated, UserRemoved
from events.tape import Message, Tail, Tape

KEYS = "vault.key.>"
FOLLOWED = (KEYS, "vault.user.>")
KEYS_MAX = 100  # of one user
REQUESTS_MAX = 10_000  # idempotency keys that are remembered, of keys that were removed too
TRIES_MAX = 5
HINT = 4  # characters shown at each end
SHOWN_SECONDS_MAX = 5.0


class Secrets(msgspec.Struct, frozen=True):
    """What is encrypted. Its text form tells nothing."""

    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        return "Secrets(...)"


class KeyWish(msgspec.Struct, frozen=True):
    """A key to store."""

    provider_id: str
    environment: str
    secrets: Secrets
    label: str | None = None


class KeyChanges(msgspec.Struct, frozen=True):
    """What to change; what is None, or unset, stays."""

    api_key: str | None = None
    api_secret: str | None = None
    label: str | msgspec.UnsetType | None = msgspec.UNSET

    def __repr__(self) -> str:
        return "KeyChanges(...)"


def hint(secret: str) -> str:
    """The first and the last four characters; of a short one fewer, so that most of it stays hidden."""
    shown = min(HINT, len(secret) // HINT)
    return f"{secret[:shown]}...{secret[len(secret) - shown :]}"


class ApiKeys:
    """Fold of the facts of keys, and changes of them. A user who is removed loses theirs with their name."""

    def __init__(self, vault: Tape, sealed: Sealed, clock: Clock, venues: Venues) -> None:
        self._vault = vault
        self.sealed = sealed
        self._clock = clock
        self._venues = venues
        self._keys: dict[str, ApiKeyStored] = {}
        self._requests: dict[tuple[str, str], str] = {}  # id of a key by user and idempotency key
        self._removed: set[str] = set()  # users
        self._last = 0  # message of a key
        self._noted = asyncio.Event()
        self.tail: Tail | None = None

    async def start(self) -> None:
        """Fold what is there, then what comes; data keys of what was removed or replaced are gone behind it."""
        over: set[str] = set()
        folded = 0
        async for message in self._vault.read(1, subjects=FOLLOWED):
            over |= self._fold(message)
            folded = message.sequence
        self.tail = await self._vault.tail(folded + 1, self._note, subjects=FOLLOWED)
        await self._destroy(over)  # whoever removed it may have died before that was done

    async def close(self) -> None:
        """Stop following."""
        if self.tail is not None:
            await self.tail.close()

    async def _note(self, message: Message) -> None:
        over = self._fold(message)
        self._noted.set()
        await self._destroy(over)

    async def _destroy(self, data_keys: set[str]) -> None:
        for name in sorted(data_keys):
            await asyncio.to_thread(self.sealed.destroy, name)

    def _fold(self, message: Message) -> set[str]:
        """One message; names of the data keys that nothing needs behind it."""
        fact = codec.decode(message.body, message.sequence)
        match fact:
            case ApiKeyStored():
                self._last = message.sequence
                return self._fold_stored(fact)
            case ApiKeyRemoved():
                self._last = message.sequence
                removed = self._keys.pop(fact.id, None)
                return {removed.data_key} if removed else set()
            case UserRemoved():
                self._removed.add(fact.name)
                lost = [self._keys.pop(one.id) for one in self.of(fact.name)]
                self._requests = {key: ident for key, ident in self._requests.items() if key[0] != fact.name}
                return {one.data_key for one in lost}
            case UserCreated():
                self._removed.discard(fact.name)
        return set()

    def _fold_stored(self, fact: ApiKeyStored) -> set[str]:
        if fact.user in self._removed:
            return {fact.data_key}  # stored while its user was removed: it is nobody's
        before, self._keys[fact.id] = self._keys.get(fact.id), fact
        if fact.request and (fact.user, fact.request) not in self._requests:
            self._requests[fact.user, fact.request] = fact.id
            if len(self._requests) > REQUESTS_MAX:
                del self._requests[next(iter(self._requests))]
        return {before.data_key} - {fact.data_key} if before else set()

    def of(self, user: str) -> list[ApiKeyStored]:
        """A user's own, in the order in which they were stored."""
        return sorted((one for one in self._keys.values() if one.user == user), key=lambda one: (one.stored_ns, one.id))

    def find(self, user: str, ident: str) -> ApiKeyStored:
        """One of a user's own. Raises Unknown."""
        found = self._keys.get(ident)
        if found is None or found.user != user:
            raise Unknown("API key not found.", field="api_key_id")
        return found

    async def secrets_of(self, user: str, ident: str) -> Secrets:
        """What a venue is given. Raises Unknown, NotAvailable."""
        held = self.find(user, ident)
        content = await asyncio.to_thread(self.sealed.open, held.data_key, held.environment, held.sealed)
        return msgspec.json.decode(content, type=Secrets)

    async def store(self, user: str, request: str, wish: KeyWish) -> str:
        """Keep a key; its id. The same request of a user again is answered with the id it had, removed or not.

        Raises:
            LimitReached: `KEYS_MAX`.
            Conflict: `KEY_USED`, see `_again`; `KEY_STORED`: the user has it already.
            InvalidInput, VenueUnavailable: see `check_rights`.
        """
        compared: set[str] = set()  # data keys of those that may be the same and are not

        def wanted() -> bool:
            fresh = (user, request) not in self._requests and len(self.of(user)) < KEYS_MAX
            return fresh and compared.issuperset(one.data_key for one in self._alike(user, wish))

        if (user, request) not in self._requests:
            compared |= await self._unlike(user, wish)

        if wanted():
            fact = await self._sealing(
                ApiKeyStored(
                    id=self._clock.new_id(),
                    user=user,
                    provider_id=wish.provider_id,
                    environment=wish.environment,
                    key_hint="",
                    secret_hint="",
                    data_key="",
                    sealed="",
                    label=wish.label,
                    stored_ns=self._clock.now_ns(),
                    request=request,
                ),
                wish.secrets,
            )
            if await self._append(fact, wanted):
                return fact.id
            await asyncio.to_thread(self.sealed.destroy, fact.data_key)
            if (user, request) not in self._requests:
                await self._unlike(user, wish)  # another request stored it meanwhile
        if (user, request) in self._requests:
            return await self._again(user, self._requests[user, request], wish)
        raise LimitReached(f"{user} has {KEYS_MAX} keys already (KEYS_MAX).")

    def _alike(self, user: str, wish: KeyWish) -> list[ApiKeyStored]:
        """Those of a user that look the same: of one provider and environment, with the same hint."""
        looks = (wish.provider_id.lower(), wish.environment.lower(), hint(wish.secrets.api_key))
        return [
            one for one in self.of(user) if (one.provider_id.lower(), one.environment.lower(), one.key_hint) == looks
        ]

    async def _unlike(self, user: str, wish: KeyWish, but: str = "") -> set[str]:
        """Data keys of those that look the same and are not, found by decrypting them: nothing is kept to compare by.

        Raises:
            Conflict: `KEY_STORED`, one is the same.
        """
        found = set()
        for one in self._alike(user, wish):
            try:
                held = await self.secrets_of(user, one.id)
            except (Unknown, NotAvailable):  # removed meanwhile, or its data key is lost: nobody can say what it was
                held = None
            if held is not None and one.id != but and held.api_key == wish.secrets.api_key:
                raise Conflict(
                    f"This key of {wish.provider_id} ({wish.environment}) is stored already; nothing was stored.",
                    code="KEY_STORED",
                    field="api_key",
                    hint=f"It is {one.id}: change that one.",
                )
            found.add(one.data_key)
        return found

    async def _again(self, user: str, ident: str, wish: KeyWish) -> str:
        """The id that a request had. Raises Conflict: the same idempotency key came with another key to store."""
        held = self._keys.get(ident)
        if held is not None:
            same = (held.provider_id, held.environment) == (wish.provider_id, wish.environment)
            if not same or await self.secrets_of(user, ident) != wish.secrets:
                message = "This idempotency key was used for another request; nothing was stored."
                raise Conflict(message, code="KEY_USED", field="Idempotency-Key")
        return ident

    async def change(self, user: str, ident: str, changes: KeyChanges) -> None:
        """Change one; what is left out stays. Raises Unknown, NotAvailable, Conflict, and as `check_rights`."""
        held = self.find(user, ident)
        fact = held if changes.label is msgspec.UNSET else msgspec.structs.replace(held, label=changes.label)
        if changes.api_key is not None or changes.api_secret is not None:
            whole = changes.api_key is not None and changes.api_secret is not None
            now = Secrets("", "") if whole else await self.secrets_of(user, ident)
            secrets = Secrets(changes.api_key or now.api_key, changes.api_secret or now.api_secret)
            await self._unlike(user, KeyWish(held.provider_id, held.environment, secrets), but=ident)
            fact = await self._sealing(fact, secrets)
        if fact == held:
            return
        done = await self._append(fact, lambda: self._keys.get(ident) == held)
        if fact.data_key != held.data_key:
            await asyncio.to_thread(self.sealed.destroy, (held if done else fact).data_key)
        if not done:
            raise _changed()

    async def remove(self, user: str, ident: str) -> None:
        """Remove one for ever. Raises Unknown, Conflict."""
        held = self.find(user, ident)
        if not await self._append(ApiKeyRemoved(id=ident), lambda: self._keys.get(ident) == held):
            raise _changed()
        await asyncio.to_thread(self.sealed.destroy, held.data_key)

    async def _sealing(self, fact: ApiKeyStored, secrets: Secrets) -> ApiKeyStored:
        """The fact with secrets that their venue has nothing against. Raises as `check_rights`."""
        await check_rights(self._venues, fact.provider_id, fact.environment, secrets.api_key, secrets.api_secret)
        name, content = self._clock.new_id(), msgspec.json.encode(secrets)
        changes: dict[str, Any] = {
            "data_key": name,
            "sealed": await asyncio.to_thread(self.sealed.seal, name, fact.environment, content),
            "key_hint": hint(secrets.api_key),
            "secret_hint": hint(secrets.api_secret),
        }
        return msgspec.structs.replace(fact, **changes)

    async def _append(self, fact: ApiKeyStored | ApiKeyRemoved, wanted: Callable[[], bool]) -> bool:
        """Append where it is wanted as of all that is there, and show it here; whether it was appended."""
        for _ in range(TRIES_MAX):
            if not wanted():
                return False
            last = self._last
            message = f"key:{fact.id}:{self._clock.new_id()}"
            append = codec.to_append(fact, f"vault.key.{fact.id}", message, expected=last, fence=KEYS)
            try:
                await self._shown(await self._vault.append(append))
            except FenceLost:
                await self._shown(last + 1)
                continue
            return True
        raise Conflict(f"The keys were changed {TRIES_MAX} times at the same time; try again.", field="api_key_id")

    async def _shown(self, sequence: int) -> None:
        """Wait until this process has folded a sequence. Raises ReadModelUnavailable."""
        try:
            async with asyncio.timeout(SHOWN_SECONDS_MAX):
                while self._last < sequence:
                    self._noted.clear()
                    await self._noted.wait()
        except TimeoutError:
            raise ReadModelUnavailable("The vault is not followed at the moment.") from None


def _changed() -> Conflict:
    return Conflict("The key was changed at the same time; look at it and try again.", field="api_key_id")
