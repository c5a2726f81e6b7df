"""What the contracts document and this version leaves for later: `left.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("left.toml")
HOW = ("refused", "empty", "unknown", "silent", "partly")


@cache
def left() -> dict[str, dict[str, str]]:
    """How what is left is answered -> id -> why."""
    found: dict[str, dict[str, str]] = tomllib.loads(FILE.read_text(encoding="utf-8"))
    assert tuple(found) == HOW
    return found


def left_whole() -> dict[str, str]:
    """Ids of which nothing is served, with the reason."""
    return {name: why for how in HOW[:-1] for name, why in left()[how].items()}
