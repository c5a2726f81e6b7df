"""What loops write for `engine.loop.table.table`: the array itself in plain Python, without numba."""

from __future__ import annotations

from typing import Any


def table(array: Any) -> Any:
    """The array; a generated loop has numba's table in its place."""
    return array
