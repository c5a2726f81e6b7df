"""Bodies are read strictly: a number in quotes is no number, and an error names its field."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler
from msgspec import inspect

from events.errors import InvalidInput
from events.misfits import misfit, refusal

TOO_LARGE = "Number out of range"  # as the codec says it
DEPTH_MAX = 32  # in which a number is looked for
NAMED_BYTES_MAX = 64 * 1024  # of a body in which the entry of a mapping that is at fault is looked for


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON is decoded straight into what its handler takes."""

    async def json(self) -> Any:
        """The body as the handler's type. Raises InvalidInput."""
        handler = self.route_handler
        assert isinstance(handler, HTTPRouteHandler), "only HTTP routes have a body"
        field = handler.parsed_data_field
        assert field is not None, "asked for only where a handler takes a body"
        body = await self.body()
        if not body.strip():
            if field.is_optional:
                return None
            raise InvalidInput("The body is empty; it must be a JSON object.", field="body")
        try:
            return read_body(body, field.raw)
        except msgspec.ValidationError as error:
            if str(error).startswith(TOO_LARGE):
                place = _too_large(body)
                reason = f"{place or 'The body'} {'is' if place else 'has'} a number that is too large."
                raise InvalidInput(reason, field=place or "body") from None
            raise refusal(misfit(error, field.raw, _plain(body))) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise InvalidInput(f"The body is no JSON: {reason[:200]}.", field="body") from None


def read_body(body: bytes, kind: Any) -> Any:
    """A body as its type. Typed clients write null for what they leave out: so it is read where it fits nothing else.

    Raises:
        msgspec.ValidationError: what is wrong beside such nulls.
    """
    try:
        return msgspec.json.decode(body, type=kind, strict=True)
    except msgspec.ValidationError:
        plain = _plain(body) if b"null" in body else None
        if plain is None:
            raise
    return msgspec.convert(without_nulls(plain, kind), kind, strict=True)


def without_nulls(value: Any, kind: Any) -> Any:
    """A plain value without the nulls of optional fields that cannot be null."""
    return _without_nulls(value, inspect.type_info(kind))


def _without_nulls(value: Any, kind: inspect.Type) -> Any:
    if isinstance(kind, inspect.Metadata):
        return _without_nulls(value, kind.type)
    if isinstance(kind, inspect.UnionType):
        for one in kind.types:
            value = _without_nulls(value, one)
    elif isinstance(kind, inspect.StructType) and isinstance(value, dict):
        fields = {field.encode_name: field for field in kind.fields}
        return {
            name: _without_nulls(held, fields[name].type) if name in fields else held
            for name, held in value.items()
            if held is not None or name not in fields or fields[name].required or _takes_null(fields[name].type)
        }
    elif isinstance(kind, inspect.CollectionType) and isinstance(value, list):
        return [_without_nulls(one, kind.item_type) for one in value]
    return value


def _takes_null(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return _takes_null(kind.type)
    if isinstance(kind, inspect.UnionType):
        return any(_takes_null(one) for one in kind.types)
    return isinstance(kind, inspect.NoneType | inspect.AnyType)


def _too_large(body: bytes, place: str = "", depth: int = 0) -> str:
    """The dotted place of the first number that the codec cannot hold; empty where it is not found."""
    if len(body) > NAMED_BYTES_MAX or depth > DEPTH_MAX:
        return ""
    inside = _inside(body)
    if inside is None:
        return place
    for name, part in inside:
        try:
            msgspec.json.decode(part)
        except (msgspec.DecodeError, RecursionError):
            return _too_large(bytes(part), f"{place}{name}".removeprefix("."), depth + 1)
    return ""


def _inside(body: bytes) -> list[tuple[str, msgspec.Raw]] | None:
    """The parts of an object or a list by their step; None where it is neither."""
    try:
        if body.lstrip()[:1] == b"[":
            parts = msgspec.json.decode(body, type=list[msgspec.Raw])
            return [(f"[{at}]", part) for at, part in enumerate(parts)]
        return [(f".{name}", part) for name, part in msgspec.json.decode(body, type=dict[str, msgspec.Raw]).items()]
    except (msgspec.DecodeError, RecursionError):
        return None


def _plain(body: bytes) -> Any:
    """A body without types, to name what is wrong in it; None where that is not to be had."""
    try:
        return msgspec.json.decode(body) if len(body) <= NAMED_BYTES_MAX else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):  # behind what was refused first
        return None
