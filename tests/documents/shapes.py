"""The shapes in which the inventory of the contracts words answers, and what does not fit them."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from events.clock import from_iso

DAY = re.compile(r"\d{4}-\d\d-\d\d")
ROOT = Path(__file__).resolve().parent.parent.parent


def folder() -> Path:
    """The contracts: `TAPEDECK_CONTRACTS_DIR`, else `contracts` in the folder `shared` beside the checkout."""
    return Path(os.environ.get("TAPEDECK_CONTRACTS_DIR") or ROOT.parent / "shared" / "contracts")


@cache
def inventory(prefix: str) -> dict[str, dict[str, Any]]:
    """Entries whose id begins so, by id; none where the folder is not here."""
    return {entry["id"]: entry for entry in _entries() if entry["id"].startswith(prefix)}


@cache
def _entries() -> list[dict[str, Any]]:
    file = folder() / "inventory.json"
    found: list[dict[str, Any]] = msgspec.json.decode(file.read_bytes()) if file.is_file() else []
    return found


CHECKED: set[int] = set()


def misfits(value: Any, shape: Any, at: str = "$") -> list[str]:
    """Where a value differs from a shape. More fields than the shape names are no difference."""
    CHECKED.add(id(shape))
    if isinstance(shape, str):
        return [] if any(_is(value, word) for word in shape.split("|")) else [f"{at} is {value!r}, not {shape}"]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{at} is no list"]
        return [one for index, item in enumerate(value) for one in misfits(item, shape[0], f"{at}[{index}]")]
    if "$any" in shape:
        return min((misfits(value, form, at) for form in shape["$any"]), key=len)
    if "$enum" in shape:
        return [] if value in shape["$enum"] else [f"{at} is {value!r}, not among {shape['$enum']}"]
    if not isinstance(value, dict):
        return [f"{at} is no object"]
    return _misfit_fields(value, shape, at)


def _misfit_fields(value: dict[str, Any], shape: dict[str, Any], at: str) -> list[str]:
    if "*" in shape:
        return [one for name, item in value.items() for one in misfits(item, shape["*"], f"{at}.{name}")]
    found = []
    for name, inner in shape.items():
        required = not name.endswith("?")
        plain = name.removesuffix("?")
        if plain in value:
            found += misfits(value[plain], inner, f"{at}.{plain}")
        elif required:
            found.append(f"{at}.{plain} is missing")
    return found


def unseen(value: Any, shape: Any) -> list[str]:
    """Places of a shape of which a value shows nothing: lists that are empty, fields that may be absent and are."""
    return sorted(set(_places(shape)) - set(_shown(value, shape)))


def _places(shape: Any, at: str = "") -> list[str]:
    if isinstance(shape, list):
        return [f"{at}[]", *_places(shape[0], f"{at}[]")]
    if not isinstance(shape, dict) or "$enum" in shape:
        return []
    if "$any" in shape:
        return []  # each form has a fact of its own
    found = []
    for name, inner in shape.items():
        place = f"{at}.{name.removesuffix('?')}"
        found += [place, *_places(inner, place)]
    return found


def _shown(value: Any, shape: Any, at: str = "") -> list[str]:
    if isinstance(shape, list) and isinstance(value, list):
        return [place for item in value for place in (f"{at}[]", *_shown(item, shape[0], f"{at}[]"))]
    if not isinstance(shape, dict) or not isinstance(value, dict) or "$enum" in shape or "$any" in shape:
        return []
    if "*" in shape:
        return [place for item in value.values() for place in (f"{at}.*", *_shown(item, shape["*"], f"{at}.*"))]
    found = []
    for name, inner in shape.items():
        plain = name.removesuffix("?")
        if plain in value:
            found += [f"{at}.{plain}", *_shown(value[plain], inner, f"{at}.{plain}")]
    return found


def _is(value: Any, word: str) -> bool:
    match word:
        case "any" | "?":
            return True
        case "null":
            return value is None
        case "string":
            return isinstance(value, str)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "object":
            return isinstance(value, dict)
        case "string:datetime":
            return isinstance(value, str) and value.endswith("Z") and _is_time(value)
        case "string:date":
            return isinstance(value, str) and DAY.fullmatch(value) is not None
        case _:
            raise AssertionError(f"a shape that is not known here: {word}")


def _is_time(text: str) -> bool:
    try:
        from_iso(text)
    except ValueError:
        return False
    return True
