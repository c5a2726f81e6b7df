"""Keys of exchanges. They are kept on the VAULT stream only, and there only encrypted."""

from __future__ import annotations

from events.facts.kinds import Fact


class ApiKeyStored(Fact, frozen=True, tag="ApiKeyStored"):
    """All of a key as it is from now on, also when it was changed.

    `sealed` is nonce and AES-GCM ciphertext (base64) of key and secret under the data key `data_key`, which is kept
    elsewhere, wrapped: without it nothing here can be read.
    """

    id: str
    user: str
    provider_id: str
    environment: str
    key_hint: str
    secret_hint: str
    data_key: str  # name of it
    sealed: str
    label: str | None = None
    stored_ns: int = 0  # when it was stored first
    request: str = ""  # idempotency key of what stored it


class ApiKeyRemoved(Fact, frozen=True, tag="ApiKeyRemoved"):
    """A key is no longer listed, and its data key was destroyed."""

    id: str


FACTS: tuple[type[Fact], ...] = (ApiKeyStored, ApiKeyRemoved)
