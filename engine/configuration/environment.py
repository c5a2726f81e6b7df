"""Values that the environment sets: `TAPEDECK_CONFIG_<SECTION>_<KEY>`, above the file and all changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from engine.configuration.changes import TYPES, Values, check_whole, flat, nested, read
from engine.configuration.sections import DEFAULTS
from events.errors import InvalidInput

PREFIX = "TAPEDECK_CONFIG_"

_HUMP = re.compile(r"(?<!^)(?=[A-Z])")


def _name(key: str) -> str:
    section, _, name = key.partition(".")
    return f"{PREFIX}{section}_{_HUMP.sub('_', name)}".upper()


NAMES: dict[str, str] = {_name(key): key for key in TYPES}  # of variables -> dotted keys


def overrides(env: Mapping[str, str]) -> Values:
    """What the environment sets, by dotted key; parts of a list are divided by commas.

    Raises:
        InvalidInput: an unknown name, or values that cannot be; the message names the variable.
    """
    given = {name: text for name, text in env.items() if name.startswith(PREFIX)}
    unknown = sorted(given.keys() - NAMES.keys())
    if unknown:
        raise InvalidInput(f"There is no setting {unknown[0]}.", field=unknown[0], hint="See docs/settings.md.")
    values = {NAMES[name]: _value(NAMES[name], text) for name, text in given.items()}
    try:
        found = read(nested(values))
        check_whole(flat(DEFAULTS) | found)
    except InvalidInput as error:
        key = next(iter(error.fields or {}), "")
        name = next((one for one, known in NAMES.items() if known == key and one in given), PREFIX)
        raise InvalidInput(f"{name} in the environment: {error.message}", field=name) from None
    return found


def _value(key: str, text: str) -> Any:
    """A text as the type of its key has it; as it stands where it is none."""
    kind = TYPES[key]
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        pass
    try:
        return msgspec.json.decode(text)  # a number out of bounds, or a list as JSON
    except msgspec.DecodeError:
        return [part.strip() for part in text.split(",") if part.strip()]
