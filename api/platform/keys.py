"""Contract 001: a user's keys of exchanges. Answers have hints of them, never more."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import UNSET, Meta, UnsetType

from api.access import user_of
from api.auth.keys import KeyChanges, KeyWish, Secrets
from api.auth.providers import ENVIRONMENTS, LIVE, PROVIDERS, known
from api.house import House
from api.reading.asking import TEXT_MAX
from api.reading.wording import instant_of
from api.services.acting import IDEMPOTENCY_KEY, check_key
from api.session_control import Key
from events.facts.keys import ApiKeyStored
from events.misfits import LOOKS

VIEWER, TRADER = {"role": "viewer"}, {"role": "trader"}
SECRET_MAX = 8_192

ApiKeyId = Annotated[str, PathParameter(description="id of a key", max_length=TEXT_MAX)]
Word = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$",
        extra={LOOKS: "1 to 64 letters, digits, _ and -, the first a letter or digit"},
    ),
]
Secret = Annotated[
    str,
    Meta(min_length=1, max_length=SECRET_MAX, pattern=r"\S", extra={LOOKS: "text that is not blank"}),
]
Label = Annotated[str, Meta(max_length=200)]


class ApiKeyItem(msgspec.Struct, frozen=True):
    """A key. Hints are the first and the last four characters, of short ones fewer."""

    id: str
    provider_id: str
    provider_name: str
    environment: str
    label: str | None
    api_key_hint: str
    api_secret_hint: str
    created_at: str


class NewApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key to store."""

    provider_id: Annotated[Word, Meta(description=f"of {', '.join(PROVIDERS)}")]
    api_key: Secret
    api_secret: Secret
    environment: Annotated[Word, Meta(description=f"of {', '.join(ENVIRONMENTS)}")] = LIVE
    label: Label | None = None

    def __repr__(self) -> str:
        return "NewApiKey(...)"


class ChangedApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is left out stays. A label of null takes it away."""

    api_key: Secret | None = None
    api_secret: Secret | None = None
    label: Label | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return "ChangedApiKey(...)"


class StoredKey(msgspec.Struct, frozen=True):
    """A key that was stored."""

    id: str
    message: str


class Told(msgspec.Struct, frozen=True):
    """What was done."""

    message: str


@get("/api/keys", opt=VIEWER)
async def list_keys(request: Request[Any, Any, Any], house: NamedDependency[House]) -> list[ApiKeyItem]:
    """Your own keys, in the order in which they were stored. Nobody is shown another's."""
    return [_item(one) for one in house.keys.of(user_of(request).user)]


@post("/api/keys", status_code=200, opt=TRADER)
async def store(
    data: JSONBody[NewApiKey], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[StoredKey]:
    """Store a key, encrypted; one that is there already is a 409 with its id. What can withdraw should not be given to
    anybody, this program included.
    """
    if key is not None:
        check_key(key, IDEMPOTENCY_KEY)
    provider, environment = known(data.provider_id, data.environment)
    wish = KeyWish(provider, environment, Secrets(data.api_key, data.api_secret), data.label)
    ident = await house.keys.store(user_of(request).user, key or "", wish)
    return Response(StoredKey(ident, "API key stored successfully"))


@put("/api/keys/{api_key_id:str}", opt=TRADER)
async def change(
    api_key_id: ApiKeyId, data: JSONBody[ChangedApiKey], request: Request[Any, Any, Any], house: NamedDependency[House]
) -> Response[Told]:
    """Change one of your keys; what is left out stays."""
    changes = KeyChanges(data.api_key, data.api_secret, data.label)
    await house.keys.change(user_of(request).user, api_key_id, changes)
    return Response(Told("API key updated successfully"))


@delete("/api/keys/{api_key_id:str}", status_code=200, opt=TRADER)
async def remove(
    api_key_id: ApiKeyId, request: Request[Any, Any, Any], house: NamedDependency[House]
) -> Response[Told]:
    """Remove one of your keys: it is no longer listed, and nobody can decrypt it again."""
    await house.keys.remove(user_of(request).user, api_key_id)
    return Response(Told("API key deleted successfully"))


def _item(one: ApiKeyStored) -> ApiKeyItem:
    return ApiKeyItem(
        id=one.id,
        provider_id=one.provider_id,
        provider_name=PROVIDERS.get(one.provider_id.lower(), one.provider_id.title()),
        environment=one.environment,
        label=one.label,
        api_key_hint=one.key_hint,
        api_secret_hint=one.secret_hint,
        created_at=instant_of(one.stored_ns),
    )


HANDLERS = [list_keys, store, change, remove]
