"""The id of a request: in its log line, in contract 002's `meta`, and in the header `X-Request-Id` of its answer."""

from __future__ import annotations

from litestar.types import Scope

from events.clock import SystemClock

_ID = "tapedeck_request"
_CLOCK = SystemClock()


def request_id(scope: Scope) -> str:
    """Made when it is first asked for."""
    found: str | None = scope["state"].get(_ID)
    if found is None:
        found = scope["state"][_ID] = f"req_{_CLOCK.new_id()[-12:]}"
    return found
