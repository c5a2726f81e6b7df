"""Changes of a configuration: a JSON object of sections becomes values by dotted key, or every reason why not."""

from __future__ import annotations

import math
import typing
from typing import Any

import msgspec

from engine.configuration.sections import Configuration
from events.errors import InvalidInput
from events.misfits import misfit

Values = dict[str, Any]  # by dotted key, as JSON holds them
Wrong = dict[str, list[str]]  # what is wrong with each, by dotted key

DOCUMENT_BYTES_MAX = 64 * 1024
WRONG_MAX = 200  # fields that one refusal names
NAME_MAX = 64  # characters of a name that a refusal repeats
_NOTHING = object()


def _types() -> dict[str, Any]:
    """The type of each value, by dotted key."""
    sections = typing.get_type_hints(Configuration)
    return {
        f"{section}.{field.encode_name}": field.type
        for section, struct in sections.items()
        for field in msgspec.structs.fields(struct)
    }


TYPES: dict[str, Any] = _types()
SECTIONS: tuple[str, ...] = Configuration.__struct_fields__


def flat(configuration: Configuration) -> Values:
    """Its values by dotted key."""
    return {
        f"{section}.{name}": value
        for section, values in _plain(configuration).items()
        for name, value in values.items()
    }


def _plain(value: Any) -> Any:
    """A value as JSON holds it: a list is never a tuple, so that equal ones are equal."""
    return msgspec.json.decode(msgspec.json.encode(value))


def nested(values: Values) -> dict[str, dict[str, Any]]:
    """Sections with the values that are given."""
    sections: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, name = key.split(".", 1)
        sections.setdefault(section, {})[name] = value
    return sections


def read(changes: Any) -> Values:
    """The values that an object of sections sets, each checked by itself.

    Raises:
        InvalidInput: with all fields that are wrong, by dotted key.
    """
    if not isinstance(changes, dict):
        raise InvalidInput(f"The configuration must be an object of sections: {', '.join(SECTIONS)}.", field="config")
    values: Values = {}
    wrong: Wrong = {}
    for section, fields in changes.items():
        if section not in SECTIONS:
            wrong[_name(section)] = [f"Unknown section; there are {', '.join(SECTIONS)}"]
        elif not isinstance(fields, dict):
            wrong[section] = ["Must be an object"]
        else:
            _read_section(section, fields, values, wrong)
    refuse(wrong)
    return values


def _read_section(section: str, fields: dict[Any, Any], values: Values, wrong: Wrong) -> None:
    for name, value in fields.items():
        key = f"{section}.{_name(name)}"
        kind = TYPES.get(key, _NOTHING)
        if kind is _NOTHING:
            wrong[key] = ["Unknown setting"]
            continue
        try:
            values[key] = _plain(msgspec.convert(value, kind))
        except msgspec.ValidationError as error:
            wrong[key] = [_out_of_bounds(kind, value) or misfit(error, kind, value).capital()]
            continue
        except OverflowError as error:
            wrong[key] = [str(error)]
            continue
        if isinstance(values[key], float) and not math.isfinite(values[key]):
            wrong[key] = ["Must be a finite number"]


def _out_of_bounds(kind: Any, value: Any) -> str:
    """The bound that a number is beyond, as the section has it (of whole numbers the codec tells another one)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    for meta in getattr(kind, "__metadata__", ()):
        if meta.gt is not None and not value > meta.gt:
            return f"Must be greater than {meta.gt}"
        if meta.lt is not None and not value < meta.lt:
            return f"Must be less than {meta.lt}"
    return ""


def _name(key: Any) -> str:
    """A key as a refusal names it; one of YAML may be anything, such as a number of thousands of digits."""
    return key[:NAME_MAX] if isinstance(key, str) else f"({type(key).__name__})"


def check_whole(values: Values) -> None:
    """Whether values can stand together. Raises InvalidInput with all that cannot, by dotted key."""
    wrong: Wrong = {}
    if values["transformer.dModel"] % values["transformer.nHeads"]:
        wrong["transformer.nHeads"] = [f"Must divide transformer.dModel, {values['transformer.dModel']}"]
    for key in ("data.symbols", "data.additionalTimeframes"):
        if len(set(values[key])) < len(values[key]):
            wrong[key] = ["Must not name one twice"]
    if values["data.primaryTimeframe"] in values["data.additionalTimeframes"]:
        wrong["data.additionalTimeframes"] = ["Must not name the primary timeframe"]
    refuse(wrong)


def refuse(wrong: Wrong) -> None:
    """Raise InvalidInput if anything is wrong."""
    if not wrong:
        return
    named = dict(list(wrong.items())[:WRONG_MAX])
    said = "; ".join(f"{key}: {texts[0]}" for key, texts in list(named.items())[:3])
    raise InvalidInput(f"Configuration validation failed: {said}.", fields=named)
