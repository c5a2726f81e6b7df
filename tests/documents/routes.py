"""The routes of the application beside those of the inventory."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from api.app import handlers

Route = tuple[str, str]  # method, path with `{}` in the place of each parameter, without a closing slash


def plain(path: str) -> str:
    """A path as it is compared: `/api/training/:id/logs` and `/api/training/{training_id:str}/logs` are one."""
    return re.sub(r"\{[^}]*\}|:\w+", "{}", path).rstrip("/") or "/"


@cache
def mounted() -> frozenset[Route]:
    """Every route of the application; a socket's method is CONNECT."""
    return frozenset(
        (method, plain(path))
        for handler in handlers()
        for path in handler.paths
        for method in getattr(handler, "http_methods", ("CONNECT",))
    )


def route_of(entry: dict[str, Any]) -> Route | None:
    """The route of an entry; None for what is no route of its own (a rule, a message of a socket)."""
    if entry["kind"] not in ("rest", "sse"):
        return None
    method = "GET" if entry["kind"] == "sse" else entry["method"]
    return method, plain(entry.get("path_template") or entry["path"])


def is_mounted(entry: dict[str, Any]) -> bool:
    """Whether an entry's route is there."""
    return route_of(entry) in mounted()
