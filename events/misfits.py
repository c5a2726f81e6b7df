"""A value that does not fit its type, in a reader's words: which field, what is wrong, what is allowed.

The codec says `Expected `int | null`, got `str` - at `$.a[...]``, and of a choice not what there is to choose from.
Here that becomes the dotted name of the field (`a.fast`) and a reason (`must be a whole number or null, not text`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import inspect

from events.errors import InvalidInput

CHOICES_MAX = 40  # that a reason names
KEYS_MAX = 256  # of one mapping that are tried one by one
SHOWN_MAX = 40  # characters of a value
FIELD_MAX = 200  # characters of a field's name
LOOKS = "looks"  # key of a `Meta(extra=)` beside a pattern or bounds: what fits, as `must be ...` says it

T = TypeVar("T")

_PLACE = re.compile(r" - at (`key` in )?`\$([^`]*)`\Z")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "null": "null",
    "array": "a list",
    "object": "an object",
    "datetime": "a time",
    "date": "a day",
    "bytes": "text in base64",
}
_GIVEN = _WORDS | {"float": "a number with decimals"}
_PARTS = {"str": "characters", "array": "items", "object": "names", "bytes": "bytes"}
_BOUNDS = {">=": "at least", "<=": "at most", ">": "greater than", "<": "less than"}


class Misfit(NamedTuple):
    """What does not fit: the dotted name of the field (empty for the whole), and why, as a clause."""

    field: str
    reason: str

    def sentence(self, whole: str) -> str:
        """Both as a sentence; `whole` is what to call the value itself."""
        return f"{self.field or whole} {self.reason}."

    def capital(self) -> str:
        """The reason alone, for a table of fields; where it is within the value, with the place."""
        where = f" (at {self.field})" if self.field else ""
        return f"{self.reason[:1].upper()}{self.reason[1:]}{where}"


def fitted(value: Any, kind: Any, *, at: str = "", whole: str = "body", strict: bool = True) -> Any:
    """A plain value as its kind. `at` is where it stands in what was given.

    Raises:
        InvalidInput: it does not fit; `field` is the dotted name, or `at`, or `whole`.
    """
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise refusal(misfit(error, kind, value, strict=strict), at=at, whole=whole) from None


def refusal(found: Misfit, *, at: str = "", whole: str = "body", hint: str = "") -> InvalidInput:
    """The error of a misfit in what stands at `at`."""
    field = ".".join(part for part in (at, found.field) if part)
    told = Misfit(field[:FIELD_MAX], found.reason)
    return InvalidInput(told.sentence(whole), field=told.field or whole, hint=hint)


def misfit(error: msgspec.ValidationError, kind: Any, value: Any = None, *, strict: bool = True) -> Misfit:
    """What an error of the codec says about a value that was to be of a kind.

    `value` (plain, as decoded without a type) lets an entry of a mapping be named, which the codec leaves out.
    """
    told = str(error)
    place = _PLACE.search(told)
    path = place.group(2) if place else ""
    steps: list[str | int | None] = [
        name or (None if index == "..." else int(index)) for name, index in _STEP.findall(path)
    ]
    if None in steps:
        _name_keys(steps, told, value, lambda changed: msgspec.convert(changed, kind, strict=strict))
    kinds = _kinds(kind, steps)
    names = bool(place and place.group(1))  # not a value but the name before it is at fault
    if names:
        kinds = [one for held in kinds if isinstance(held, inspect.DictType) for one in _members(held.key_type)]
    last, reason = _reason(told[: place.start()] if place else told, kinds)
    if names:
        reason = f"has a name that {reason}"
    return Misfit(_dotted([*steps, *last]), reason)


def _dotted(steps: list[str | int | None]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{'*' if step is None else step}" for step in steps)
    return text.removeprefix(".")


# --- the place ----------------------------------------------------------------------------------------------------


def _name_keys(steps: list[str | int | None], told: str, value: Any, convert: Callable[[Any], Any]) -> None:
    """Put the keys of mappings where the codec has `[...]`: each is tried alone until the same error comes."""
    for at, step in enumerate(steps):
        if step is not None:
            continue
        held = _at(value, steps[:at])
        for key in list(held)[:KEYS_MAX] if isinstance(held, Mapping) else ():
            try:
                convert(_with(value, steps[:at], {key: held[key]}))
            except msgspec.ValidationError as error:
                if str(error) == told:
                    steps[at] = str(key)
                    break


def _at(value: Any, steps: list[Any]) -> Any:
    for step in steps:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list | tuple) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def _with(value: Any, steps: list[Any], put: Any) -> Any:
    """The value with another thing at a place."""
    if not steps:
        return put
    changed = dict(value) if isinstance(value, Mapping) else list(value)
    changed[steps[0]] = _with(value[steps[0]], steps[1:], put)
    return changed


# --- the kind at the place ----------------------------------------------------------------------------------------


def _kinds(kind: Any, steps: list[str | int | None]) -> list[inspect.Type]:
    """What may stand at a place: several where a union is on the way."""
    try:
        found = _members(inspect.type_info(kind))
    except TypeError:
        return []
    for step in steps:
        found = [one for held in found for one in _inside(held, step)]
    return found


def _members(kind: inspect.Type) -> list[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        return [kind] if LOOKS in (kind.extra or {}) else _members(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [one for part in kind.types for one in _members(part)]
    return [kind]


def _inside(kind: inspect.Type, step: str | int | None) -> list[inspect.Type]:
    """What may stand one step further in."""
    if isinstance(kind, inspect.StructType):
        inside = [field.type for field in kind.fields if field.encode_name == step]
        if step == kind.tag_field:
            inside = [inspect.LiteralType((kind.tag,))]
    elif isinstance(kind, inspect.DictType):
        inside = [kind.value_type]
    elif isinstance(kind, inspect.TupleType):
        inside = [kind.item_types[step]] if isinstance(step, int) and step < len(kind.item_types) else []
    elif isinstance(kind, inspect.CollectionType):
        inside = [kind.item_type]
    else:
        inside = []
    return [one for part in inside for one in _members(part)]


# --- the reason ---------------------------------------------------------------------------------------------------


def _reason(told: str, kinds: list[inspect.Type]) -> tuple[list[str], str]:
    """A further step to the field, if any, and the reason."""
    for pattern, word in _SAYINGS:
        found = pattern.fullmatch(told)
        if found:
            return word(found, kinds)
    return [], told[:1].lower() + told[1 : FIELD_MAX + 1]


def _wrong_type(found: re.Match[str], kinds: list[inspect.Type]) -> tuple[list[str], str]:
    given = _GIVEN.get(found[2], found[2])
    choices = _choices(kinds)
    if choices:
        null = " or null" if "null" in found[1].split(" | ") else ""
        return [], f"must be one of {_listed(choices)}{null}, not {given}"
    due = " or ".join(_WORDS.get(one, one) for one in found[1].split(" | "))
    return [], f"must be {due}, not {given}"


def _bound(found: re.Match[str], kinds: list[inspect.Type]) -> tuple[list[str], str]:
    """What fits, in the words of the kind where it has some."""
    if looks := _looks(kinds):
        return [], f"must be {looks}"
    for one in kinds:
        if isinstance(one, inspect.IntType | inspect.FloatType) and one.ge is not None and one.le is not None:
            return [], f"must be from {_number(one.ge)} to {_number(one.le)}"
    return [], f"must be {_BOUNDS[found[2]]} {_number(found[3])}"


def _number(value: object) -> str:
    return str(value).removesuffix(".0")


def _length(found: re.Match[str], kinds: list[inspect.Type]) -> tuple[list[str], str]:
    bound = f"{_BOUNDS[found[2]]} " if found[2] else ""
    parts = _PARTS.get(found[1], "items")
    return [], f"must have {bound}{found[3]} {parts.removesuffix('s') if found[3] == '1' else parts}"


def _choice(found: re.Match[str], kinds: list[inspect.Type]) -> tuple[list[str], str]:
    given = found[1] if len(found[1]) <= SHOWN_MAX else f"{found[1][:SHOWN_MAX]}..."
    choices = _choices(kinds)
    return [], f"must be one of {_listed(choices)}, not {given}" if choices else f"cannot be {given}"


def _pattern(found: re.Match[str], kinds: list[inspect.Type]) -> tuple[list[str], str]:
    """What fits, where the pattern says so; never the pattern."""
    looks = _looks(kinds)
    return [], f"must be {looks}" if looks else "is not of the form that it must have"


def _looks(kinds: list[inspect.Type]) -> str:
    return next((one.extra[LOOKS] for one in kinds if isinstance(one, inspect.Metadata) and one.extra), "")


def _missing(found: re.Match[str], kinds: list[inspect.Type]) -> tuple[list[str], str]:
    choices = _choices([one for kind in kinds for one in _inside(kind, found[1])])
    return [found[1]], f"is missing; it is one of {_listed(choices)}" if choices else "is missing"


def _unknown(found: re.Match[str], kinds: list[inspect.Type]) -> tuple[list[str], str]:
    structs = [kind for kind in kinds if isinstance(kind, inspect.StructType) and kind.forbid_unknown_fields]
    known = [field.encode_name for kind in structs for field in kind.fields]
    return [found[1][:FIELD_MAX]], f"is not known here; known: {_listed(sorted(set(known))) or 'none'}"


_SAYINGS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], list[inspect.Type]], tuple[list[str], str]]], ...] = (
    (re.compile(r"Expected `([^`]*)`, got `([^`]*)`"), _wrong_type),
    (re.compile(r"Expected `([^`]*)` (>=|<=|>|<) (\S+)"), _bound),
    (re.compile(r"Expected `([^`]*)` of length (?:(>=|<=) )?(\d+)(?:, got \d+)?"), _length),
    (
        re.compile(r"Expected `([^`]*)` that's a multiple of (\S+)"),
        lambda found, _: ([], f"must be a multiple of {found[2]}"),
    ),
    (re.compile(r"Expected `str` matching regex .*", re.DOTALL), _pattern),
    (re.compile(r"Invalid (?:enum )?value (.*)", re.DOTALL), _choice),
    (re.compile(r"Object missing required field `(.*)`"), _missing),
    (re.compile(r"Object contains unknown field `(.*)`", re.DOTALL), _unknown),
    (re.compile(r"Invalid RFC3339 encoded datetime"), lambda *_: ([], "must be a time such as 2026-01-31T12:00:00Z")),
    (re.compile(r"Invalid RFC3339 encoded date"), lambda *_: ([], "must be a day such as 2026-01-31")),
    (re.compile(r"Invalid base64 encoded string"), lambda *_: ([], "must be text in base64")),
    (re.compile(r"Integer value out of range"), lambda *_: ([], "must be a whole number of at most 64 bits")),
)


def _choices(kinds: list[inspect.Type]) -> list[Any]:
    """The values of choices, in their order."""
    found: list[Any] = []
    for kind in kinds:
        if isinstance(kind, inspect.LiteralType):
            found += kind.values
        elif isinstance(kind, inspect.EnumType):
            found += [one.value for one in kind.cls]
    return found


def _listed(choices: list[Any]) -> str:
    more = ", ..." if len(choices) > CHOICES_MAX else ""
    return ", ".join(str(one) or '""' for one in choices[:CHOICES_MAX]) + more
