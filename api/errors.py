"""From error classes to HTTP answers and exit codes: one table, and one body for every error.

Outside `/api/v1` the body satisfies the contracts 000, 001 and 003 at once (contracts' conflict C8); below it stands
contract 002's envelope. The framework's own errors (404, 405, 413, 500) pass through here as well.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import structlog
from litestar import MediaType, Request, Response
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.types import Receive, Scope, Send
from msgspec import UNSET, UnsetType

from api.outcomes import STATUS
from api.requests import request_id
from events import errors
from events.clock import SystemClock, iso
from events.misfits import misfit

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 2
INTERNAL = "Something went wrong on our side; the log has the details under this moment."
CODES = {400: "INVALID_INPUT", 401: "UNAUTHENTICATED", 403: "FORBIDDEN", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}
CODES |= {413: "TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE", 422: "INVALID_INPUT", 429: "RATE_LIMITED", 500: "INTERNAL"}


# what contract 002 calls an error, by status; any other keeps its own code
V1_CODES = {400: "VALIDATION_ERROR", 500: "INTERNAL_ERROR"}
V1 = "/api/v1"

_NO_BODY = ("data", "'data'")  # how the framework says that it found no body
_MISSING = re.compile(r"Missing required (\w+) parameter '([^']+)'")


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=False):
    """The error body outside `/api/v1`."""

    error_code: str
    error_message: str
    detail: str
    error: str
    message: str
    status: int
    timestamp: str
    field: str | None = None
    type: str = "error"
    fields: dict[str, list[str]] | UnsetType = UNSET  # where several are wrong: by dotted name


class ErrorWords(msgspec.Struct, frozen=True):
    """What is wrong, in contract 002's envelope; `details` by dotted name of the field."""

    code: str
    message: str
    details: dict[str, list[str]]


class ErrorMeta(msgspec.Struct, frozen=True, rename="camel"):
    """When it was answered, and under which id the log has it."""

    timestamp: str
    request_id: str


class ErrorEnvelope(msgspec.Struct, frozen=True):
    """The error body under `/api/v1`."""

    error: ErrorWords
    meta: ErrorMeta


def status_of(error: BaseException) -> int:
    """HTTP status of an error."""
    if isinstance(error, HTTPException):
        return 400 if error.status_code == 422 else error.status_code
    return next((status for kind, status, _ in STATUS if isinstance(error, kind)), 500)


def words_of(error: BaseException) -> tuple[str, str, str | None]:
    """(code, message, field) as a user may see them; nothing of an unexpected error gets out."""
    if isinstance(error, errors.TapedeckError) and not isinstance(error, errors.Bug):
        return error.code, str(error), error.field
    if isinstance(error, HTTPException):
        status = status_of(error)
        field, message = _detail(error)
        return CODES.get(status, "HTTP_ERROR"), message if status < 500 else INTERNAL, field
    return "INTERNAL", INTERNAL, None


def body_of(error: BaseException, scope: Scope, now_ns: int) -> ErrorBody | ErrorEnvelope:
    """The body of an error for a request."""
    code, message, field = words_of(error)
    if field and isinstance(error, HTTPException):  # the framework's name of a parameter is not the contract's
        named = _asked_as(field, scope)
        field, message = named, message.replace(field, named, 1)
    now = iso(now_ns)
    if is_v1(scope["path"]):
        status = status_of(error)
        details = getattr(error, "fields", None) or ({field: [message]} if field else {})
        words = ErrorWords(V1_CODES.get(status, code), message, details)
        return ErrorEnvelope(words, ErrorMeta(now, request_id(scope)))
    fields = getattr(error, "fields", None) or {}
    body = ErrorBody(code, message, message, code, message, status_of(error), now, field)
    return msgspec.structs.replace(body, fields=fields) if len(fields) > 1 else body


def _asked_as(field: str, scope: Scope) -> str:
    """The name that a request has for what the code calls so."""
    state, handler = scope["litestar_app"].state, id(scope.get("route_handler"))
    names = state.headers.get(handler, {}) | state.parameters.get(handler, {})
    return names.get(field) or (camel(field) if is_v1(scope["path"]) else field)


def is_v1(path: str) -> bool:
    """Whether contract 002's envelope holds for a path."""
    return path == V1 or path.startswith(f"{V1}/")


def camel(name: str) -> str:
    """A name as contract 002 has it."""
    first, *others = name.split("_")
    return first + "".join(one.title() for one in others)


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The exception handler of the whole application."""
    error = _named(request, error)
    status = status_of(error)
    if status >= 500 and status not in (501, 503):
        log.error("request_failed", path=request.url.path, error=repr(error), exc_info=error)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if isinstance(error, errors.TooMany):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    elif status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = body_of(error, request.scope, SystemClock().now_ns())
    return Response(body, status_code=status, headers=headers, media_type=MediaType.JSON)


def _named(request: Request[Any, Any, Any], error: Exception) -> Exception:
    """The framework's plainest errors with the path in them."""
    if isinstance(error, HTTPException) and isinstance(error.extra, list):
        error.extra = [_reworded(request, one) if isinstance(one, dict) else one for one in error.extra]
    path = request.url.path[:120]
    if isinstance(error, NotFoundException) and not error.extra:
        return errors.Unknown(f"There is nothing at {path}.", hint="/docs lists every route.")
    if isinstance(error, MethodNotAllowedException):
        error.detail = f"{request.method[:16]} is not possible at {path}."
    return error


def _reworded(request: Request[Any, Any, Any], one: dict[str, Any]) -> dict[str, Any]:
    """What the framework says of a parameter, in words. A parameter is text: that it is, is no news."""
    name, told = str(one.get("key") or ""), str(one.get("message") or "")
    handler: Any = request.route_handler
    functions = [handler, *handler.resolve_dependencies().values()]
    kinds = [field.raw for each in functions if (field := each.parsed_fn_signature.parameters.get(name)) is not None]
    reason = misfit(msgspec.ValidationError(told), kinds[0] if kinds else Any, strict=False).reason
    return one | {"message": reason.removesuffix(", not text")}


def _detail(error: HTTPException) -> tuple[str | None, str]:
    """(field, message) of an error of the framework: what it found wrong, not where in its own words."""
    extra = error.extra if isinstance(error.extra, list) else []
    found = [(str(one.get("key") or ""), str(one.get("message") or "")) for one in extra if isinstance(one, dict)]
    if found == [_NO_BODY]:
        return "body", "The body is missing; it must be a JSON object."
    if not found:
        missing = _MISSING.match(error.detail)
        if missing:
            return missing[2], f"The {missing[1]} parameter {missing[2]!r} is missing."
        return None, error.detail or str(error)
    return found[0][0] or None, "; ".join(f"{key} {text}" if key else text for key, text in found) + "."


async def answer_scope(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer an error of a request that reached no handler; a WebSocket is closed before it was opened."""
    if scope["type"] == ScopeType.WEBSOCKET:
        code = error.code if isinstance(error, errors.TapedeckError) else "INTERNAL"
        await send({"type": "websocket.close", "code": 4000 + status_of(error), "reason": code})
        return
    request: Request[Any, Any, Any] = Request(scope, receive, send)
    await answer(request, error).to_asgi_response(app=None, request=request)(scope, receive, send)
