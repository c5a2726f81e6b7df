"""Bodies are read strictly: a number in quotes is no number, and an error names its field."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler

from events.errors import InvalidInput

_PATH = re.compile(r" - at `([^`]*)`\Z")
_NAMED = re.compile(r"field `([^`]+)`")


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
            return msgspec.json.decode(body, type=field.raw, strict=True)
        except msgspec.ValidationError as error:
            raise refused(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise InvalidInput(f"The body is no JSON: {reason[:200]}.", field="body") from None


def refused(text: str) -> InvalidInput:
    """An error of validation with the dotted name of its field."""
    path = _PATH.search(text)
    where = path.group(1).removeprefix("$").removeprefix(".") if path else ""
    message = text[: path.start()] if path else text
    named = _NAMED.search(message)
    field = ".".join(part for part in (where, named.group(1) if named else "") if part)
    return InvalidInput(f"{field or 'body'}: {message}.", field=field[:200] or "body")
