"""Paths of routes with something in the place of each parameter."""

from __future__ import annotations

import re

PARTS = {"session": "nosuch", "order_number": "1", "name": "page.js"}  # any other: nosuch


def filled(path: str, **parts: str) -> str:
    """`/api/sessions/{session}` as somebody may ask for it."""
    known = PARTS | parts
    return re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], "nosuch"), path)
