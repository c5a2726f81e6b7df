"""Keys of exchanges: an aggregate on the VAULT stream. Secrets are encrypted there, and nowhere else at all."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from api.auth.encryption import Sealed
from events import codec
from events.clock import Clock
from events.errors import Conflict, FenceLost, LimitReached, ReadModelUnavailable, Unknown
from events.facts.keys import ApiKeyRemoved, ApiKeyStored
from events.tape import Message, Tail, Tape

KEYS = "vault.key.>"
KEYS_MAX = 100  # of one user
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
    """Fold of the facts of keys, and changes of them."""

    def __init__(self, vault: Tape, sealed: Sealed, clock: Clock) -> None:
        self._vault = vault
        self.sealed = sealed
        self._clock = clock
        self._keys: dict[str, ApiKeyStored] = {}
        self._last = 0
        self._noted = asyncio.Event()
        self.tail: Tail | None = None

    async def start(self) -> None:
        """Fold what is there, then what comes; data keys of what was removed or replaced are gone behind it."""
        over: set[str] = set()
        async for message in self._vault.read(1, subjects=(KEYS,)):
            over |= self._fold(message)
        self.tail = await self._vault.tail(self._last + 1, self._note, subjects=(KEYS,))
        for name in over:  # whoever removed it may have died before that was done
            await asyncio.to_thread(self.sealed.destroy, name)

    async def close(self) -> None:
        """Stop following."""
        if self.tail is not None:
            await self.tail.close()

    async def _note(self, message: Message) -> None:
        self._fold(message)
        self._noted.set()

    def _fold(self, message: Message) -> set[str]:
        """One message; names of the data keys that nothing needs behind it."""
        fact = codec.decode(message.body, message.sequence)
        self._last = message.sequence
        if isinstance(fact, ApiKeyStored):
            before, self._keys[fact.id] = self._keys.get(fact.id), fact
            return {before.data_key} - {fact.data_key} if before else set()
        if isinstance(fact, ApiKeyRemoved):
            removed = self._keys.pop(fact.id, None)
            return {removed.data_key} if removed else set()
        return set()

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
        """Keep a key; its id. The same request of a user again is answered with the id it had.

        Raises:
            LimitReached: `KEYS_MAX`.
        """
        for one in self.of(user):
            if request and one.request == request:
                return one.id
        if len(self.of(user)) >= KEYS_MAX:
            raise LimitReached(f"{user} has {KEYS_MAX} keys already (KEYS_MAX).")
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
        await self._append(fact)
        return fact.id

    async def change(self, user: str, ident: str, changes: KeyChanges) -> None:
        """Change one; what is left out stays. Raises Unknown, NotAvailable, Conflict."""
        held = self.find(user, ident)
        fact = held if changes.label is msgspec.UNSET else msgspec.structs.replace(held, label=changes.label)
        if changes.api_key is not None or changes.api_secret is not None:
            whole = changes.api_key is not None and changes.api_secret is not None
            now = Secrets("", "") if whole else await self.secrets_of(user, ident)
            fact = await self._sealing(
                fact, Secrets(changes.api_key or now.api_key, changes.api_secret or now.api_secret)
            )
        if fact == held:
            return
        await self._append(fact, held)
        if fact.data_key != held.data_key:
            await asyncio.to_thread(self.sealed.destroy, held.data_key)

    async def remove(self, user: str, ident: str) -> None:
        """Remove one for ever. Raises Unknown, Conflict."""
        held = self.find(user, ident)
        await self._append(ApiKeyRemoved(id=ident), held)
        await asyncio.to_thread(self.sealed.destroy, held.data_key)

    async def _sealing(self, fact: ApiKeyStored, secrets: Secrets) -> ApiKeyStored:
        name, content = self._clock.new_id(), msgspec.json.encode(secrets)
        changes: dict[str, Any] = {
            "data_key": name,
            "sealed": await asyncio.to_thread(self.sealed.seal, name, fact.environment, content),
            "key_hint": hint(secrets.api_key),
            "secret_hint": hint(secrets.api_secret),
        }
        return msgspec.structs.replace(fact, **changes)

    async def _append(self, fact: ApiKeyStored | ApiKeyRemoved, held: ApiKeyStored | None = None) -> None:
        """Append where the key still is what was looked at, and show it here. Raises Conflict."""
        for _ in range(TRIES_MAX):
            last, now = self._last, self._keys.get(fact.id)
            if now != held:
                break
            message = f"key:{fact.id}:{self._clock.new_id()}"
            append = codec.to_append(fact, f"vault.key.{fact.id}", message, expected=last, fence=KEYS)
            try:
                await self._shown(await self._vault.append(append))
            except FenceLost:
                await self._shown(last + 1)
                continue
            return
        if isinstance(fact, ApiKeyStored) and (held is None or held.data_key != fact.data_key):
            await asyncio.to_thread(self.sealed.destroy, fact.data_key)
        raise Conflict("The key was changed at the same time; look at it and try again.", field="api_key_id")

    async def _shown(self, sequence: int) -> None:
        """Wait until this process has folded a sequence. Raises ReadModelUnavailable."""
        try:
            async with asyncio.timeout(SHOWN_SECONDS_MAX):
                while self._last < sequence:
                    self._noted.clear()
                    await self._noted.wait()
        except TimeoutError:
            raise ReadModelUnavailable("The vault is not followed at the moment.") from None
