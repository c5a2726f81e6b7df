"""The `Allow` of an answer to OPTIONS: every method of the path, and HEAD where there is GET.

Litestar makes its own answer when the first handler of a path is registered, and keeps it when others join.
"""

from __future__ import annotations

from litestar import Litestar
from litestar.routes import HTTPRoute
from litestar.types import Message, Scope

_ALLOW = b"allow"


def methods_by_path(app: Litestar) -> dict[str, bytes]:
    """The value of `Allow` by the path of a route."""
    return {
        route.path_format: ", ".join(sorted(route.methods | ({"HEAD"} if "GET" in route.methods else set()))).encode()
        for route in app.routes
        if isinstance(route, HTTPRoute)
    }


async def name_all_methods(message: Message, scope: Scope) -> None:
    """A hook before an answer is sent."""
    if message["type"] != "http.response.start" or scope.get("method") != "OPTIONS":
        return
    allowed = scope["litestar_app"].state.methods.get(scope.get("path_template"))
    if allowed is not None:
        message["headers"] = [
            (name, allowed if name.lower() == _ALLOW else value) for name, value in message["headers"]
        ]
