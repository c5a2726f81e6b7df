"""Bodies are read strictly: a number in quotes is no number, and an error names its field."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler

from events.errors import InvalidInput
from events.misfits import misfit, refusal

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
            return msgspec.json.decode(body, type=field.raw, strict=True)
        except msgspec.ValidationError as error:
            raise refusal(misfit(error, field.raw, _plain(body))) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise InvalidInput(f"The body is no JSON: {reason[:200]}.", field="body") from None


def _plain(body: bytes) -> Any:
    """A body without types, to name what is wrong in it; None where that is not to be had."""
    try:
        return msgspec.json.decode(body) if len(body) <= NAMED_BYTES_MAX else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):  # behind what was refused first
        return None
