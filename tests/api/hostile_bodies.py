"""Bodies for hypothesis, made of the strict types that the routes read them with, and what spoils them."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from msgspec import inspect

TEXT_MAX, ITEMS_MAX = 40, 3  # of what is made; bounds of the types themselves are reached by the documents' cases
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 0.1, -0.0, 1e-320, 1.7e308),
    *("", "x", " ", "\x00", "\ud7ff", "\u202e", "🙂", "a" * 300, "../../etc/passwd", "' OR 1=1 --", "{{7*7}}", "NaN"),
    *([], {}, [None], [[[]]], {"": {}}, {"__proto__": 1}, ["a"] * 300, {"a": {"a": {"a": {"a": 1}}}}),
)
NAMES = ("", "x", "type", "__class__", "id")

Made = SearchStrategy[Any]
ANY: Made = st.sampled_from(VALUES) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=ITEMS_MAX) | st.dictionaries(st.text(max_size=8), inner, max_size=ITEMS_MAX),
    max_leaves=6,
)


def bodies_of(kind: Any, known: tuple[Any, ...]) -> Made:
    """What fits a type, and what is known to be meant, both also spoilt in up to three places."""
    made = _fitting(inspect.type_info(kind))
    return spoilt(st.sampled_from(known) | made if known else made)


@st.composite
def spoilt(draw: DrawFn, bodies: Made) -> Any:
    """A body, mostly with something of it changed, taken away or put beside."""
    body = draw(bodies)
    for _ in range(draw(st.sampled_from((0, 1, 1, 2, 3)))):
        body = _spoilt(draw, body)
    return body


def _spoilt(draw: DrawFn, value: Any) -> Any:
    if not isinstance(value, dict | list) or not value or draw(st.integers(0, 6)) == 0:
        return draw(ANY)
    made: Any = value.copy()
    at = draw(st.sampled_from(list(made))) if isinstance(made, dict) else draw(st.integers(0, len(made) - 1))
    what = draw(st.sampled_from(("into", "into", "into", "less", "more")))
    if what == "less":
        made.pop(at)
    elif what == "more" and isinstance(made, dict):
        made[draw(st.sampled_from(NAMES))] = draw(ANY)
    else:
        made[at] = _spoilt(draw, made[at])
    return made


# --- what fits ----------------------------------------------------------------------------------------------------


def _fitting(kind: inspect.Type) -> Made:
    """What the codec takes for a type. A type that refers to itself is none of ours."""
    for types, make in _MAKERS:
        if isinstance(kind, types):
            return make(kind)
    return ANY


def _struct(kind: Any) -> Made:
    needed = {field.encode_name: _fitting(field.type) for field in kind.fields if field.required}
    others = {field.encode_name: _fitting(field.type) for field in kind.fields if not field.required}
    if kind.tag_field is not None:
        needed[kind.tag_field] = st.just(kind.tag)
    return st.fixed_dictionaries(needed, optional=others)


def _whole(kind: Any) -> Made:
    low = kind.ge if kind.ge is not None else (kind.gt + 1 if kind.gt is not None else -(2**63))
    high = kind.le if kind.le is not None else (kind.lt - 1 if kind.lt is not None else 2**63 - 1)
    return st.integers(int(low), int(high))


def _number(kind: Any) -> Made:
    low, high = (kind.gt if kind.ge is None else kind.ge), (kind.lt if kind.le is None else kind.le)
    return st.floats(
        None if low is None else float(low),
        None if high is None else float(high),
        exclude_min=kind.gt is not None,
        exclude_max=kind.lt is not None,
        allow_nan=False,
        allow_infinity=False,
    )


def _text(kind: Any) -> Made:
    if kind.pattern:
        return st.from_regex(re.compile(kind.pattern, re.ASCII))
    low = kind.min_length or 0
    return st.text(min_size=low, max_size=max(low, min(TEXT_MAX, kind.max_length or TEXT_MAX)))


def _list(kind: Any) -> Made:
    low = kind.min_length or 0
    return st.lists(_fitting(kind.item_type), min_size=low, max_size=max(low, min(ITEMS_MAX, kind.max_length or 9)))


def _mapping(kind: Any) -> Made:
    return st.dictionaries(_fitting(kind.key_type), _fitting(kind.value_type), max_size=ITEMS_MAX)


_MAKERS: tuple[tuple[Any, Any], ...] = (
    (inspect.Metadata, lambda kind: _fitting(kind.type)),
    (inspect.UnionType, lambda kind: st.one_of([_fitting(one) for one in kind.types])),
    (inspect.StructType, _struct),
    (inspect.BoolType, lambda _: st.booleans()),
    (inspect.NoneType, lambda _: st.none()),
    (inspect.IntType, _whole),
    (inspect.FloatType, _number),
    (inspect.StrType, _text),
    (inspect.LiteralType, lambda kind: st.sampled_from(kind.values)),
    (inspect.EnumType, lambda kind: st.sampled_from([one.value for one in kind.cls])),
    (inspect.DateTimeType, lambda _: st.datetimes().map(lambda one: f"{one.isoformat()}Z")),
    (inspect.DictType, _mapping),
    (inspect.TupleType, lambda kind: st.tuples(*map(_fitting, kind.item_types)).map(list)),
    (inspect.CollectionType, _list),
)
