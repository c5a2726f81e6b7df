"""First answers to requests with an idempotency key, kept for as long as the bucket of counters keeps its values.

A repeat asks the aggregates again, which remember what they answered. But what is checked in front of them may have
changed since: then the repeat would be refused for what its own first try did, and is given its first answer instead.
"""

from __future__ import annotations

import hashlib
from contextvars import ContextVar
from typing import Any

import msgspec
import structlog
from litestar import MediaType, Request, Response

from api.access import name_of
from api.errors import answer
from events.errors import Conflict, InvalidInput, LimitReached, TapedeckError, Unknown
from events.tape import Keys

ANSWER_BYTES_MAX = 16 * 1024  # a larger answer is not kept
REFUSALS = (InvalidInput, Unknown, Conflict, LimitReached)

log = structlog.get_logger(__name__)


class First(msgspec.Struct, frozen=True):
    """An answer, and the digest of the request that it was given to."""

    asked: str
    status: int
    headers: dict[str, str]
    body: bytes


class Repeatable(msgspec.Struct):
    """A request with an idempotency key while it is answered."""

    name: str  # of its first answer in the bucket
    asked: str
    status: int  # that its handler answers with
    keys: Keys
    first: First | None = None
    sent: bool = False  # a command was


REPEATABLE: ContextVar[Repeatable | None] = ContextVar("repeatable", default=None)
_STATE = "tapedeck_repeatable"


async def look(request: Request[Any, Any, Any], key: str, asked: str, keys: Keys) -> None:
    """Before a request with a key is answered: find what was answered first."""
    digest = hashlib.blake2b(f"{name_of(request)}\n{key}".encode(), digest_size=16).hexdigest()
    status = getattr(request.route_handler, "status_code", 200)
    found = request.scope["state"][_STATE] = Repeatable(f"answer.{digest}", asked, status, keys)
    try:
        held = await keys.get(found.name)
        found.first = msgspec.msgpack.decode(held[0], type=First) if held else None
    except (TapedeckError, msgspec.MsgspecError) as error:  # answered as if nothing were kept
        log.warning("first_answer_unknown", error=str(error))
    REPEATABLE.set(found)


def refuse_repeat() -> None:
    """Raises Conflict, which `answer_again` answers with the first answer, where this request was answered before.

    For what answers with how things are and not with a command of its own; its answer is kept as a command's is.
    """
    found = REPEATABLE.get()
    if found is None:
        return
    if found.first is not None and found.first.asked == found.asked:
        raise Conflict("This request was answered before.")
    found.sent = True


def answer_again(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The exception handler of the whole application: what was answered first, else what the error is answered with."""
    found: Repeatable | None = request.scope["state"].get(_STATE)
    if found is None or found.first is None or found.first.asked != found.asked or not isinstance(error, REFUSALS):
        return answer(request, error)
    first = found.first
    return Response(first.body, status_code=first.status, headers=dict(first.headers), media_type=MediaType.JSON)


async def keep(response: Response[Any]) -> Response[Any]:
    """Behind a request whose command was carried out: keep what is answered, where it is the first time."""
    found = REPEATABLE.get()
    if found is None or not found.sent or found.first is not None or not isinstance(response, Response):
        return response
    status = response.status_code or found.status
    body = b"" if response.content is None else response.render(response.content, MediaType.JSON)
    if not 200 <= status < 300 or len(body) > ANSWER_BYTES_MAX:
        return response
    first = First(found.asked, status, dict(response.headers), body)
    try:
        await found.keys.swap(found.name, msgspec.msgpack.encode(first), 0)
    except TapedeckError as error:
        log.warning("first_answer_not_kept", error=str(error))
    return response
