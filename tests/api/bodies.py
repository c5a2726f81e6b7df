"""What the bodies of routes have."""

from __future__ import annotations

from typing import Any

from litestar import Litestar
from litestar.routes import HTTPRoute
from msgspec import inspect

from tests.api.paths import filled


def fields_of(kind: Any) -> tuple[inspect.Field, ...]:
    """The fields of a body's type; none where it is no object of fields."""
    found = inspect.type_info(kind)
    return found.fields if isinstance(found, inspect.StructType) else ()


def optional_of(app: Litestar, path: str, session: str) -> set[str]:
    """Names of what may be left out of the body of a POST."""
    for route in app.routes:
        handlers = route.route_handler_map if isinstance(route, HTTPRoute) else {}
        if "POST" in handlers and filled(route.path_format, session=session).rstrip("/") == path.rstrip("/"):
            field = handlers["POST"][0].parsed_data_field
            return {one.encode_name for one in fields_of(field.raw) if not one.required} if field is not None else set()
    raise AssertionError(path)
