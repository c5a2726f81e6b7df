"""A parameter that a route does not know is refused: a misspelt filter must not silently filter nothing."""

from __future__ import annotations

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute

from api.access import Connection
from events.errors import InvalidInput

SHOWN_MAX = 20  # known parameters that an error lists


def known_parameters(app: Litestar) -> dict[int, dict[str, str]]:
    """Names of the query parameters of every HTTP handler: its id -> name in the code -> name in a request."""
    return {
        id(handler): {parameter.field_name: parameter.field_alias for parameter in model.expected_query_params}
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler, model in route.route_handler_map.values()
    }


def known_headers(app: Litestar) -> dict[int, dict[str, str]]:
    """The same of the headers that a handler reads."""
    return {
        id(handler): {parameter.field_name: parameter.field_alias for parameter in model.expected_header_params}
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler, model in route.route_handler_map.values()
    }


async def refuse_unknown(connection: Connection, handler: BaseRouteHandler) -> None:
    """A guard. Raises InvalidInput with the name of the first unknown parameter."""
    if not connection.scope["query_string"] or connection.scope["type"] != ScopeType.HTTP:
        return
    # what a guard is given is a copy of the handler
    known = connection.app.state.parameters.get(id(connection.scope["route_handler"]), {}).values()
    for name in connection.query_params:
        if name not in known:
            listed = ", ".join(sorted(known)[:SHOWN_MAX]) or "none"
            raise InvalidInput(
                f"There is no parameter {name[:64]!r} here. Known: {listed}.", code="UNKNOWN_PARAMETER", field=name[:64]
            )
