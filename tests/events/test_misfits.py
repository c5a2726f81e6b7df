"""What does not fit its type is told in a reader's words: the field, what is wrong, what is allowed."""

from __future__ import annotations

import enum
from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from events.errors import InvalidInput
from events.misfits import KEYS_MAX, LOOKS, fitted, misfit


class Colour(enum.Enum):
    """Two colours."""

    RED = "red"
    BLUE = "blue"


class Circle(msgspec.Struct, tag="circle", tag_field="shape", forbid_unknown_fields=True):
    """One shape."""

    radius: int


class Square(msgspec.Struct, tag="square", tag_field="shape"):
    """The other."""

    side: int


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """A field of each kind."""

    count: Annotated[int, Meta(ge=1, le=5)] = 1
    ratio: Annotated[float, Meta(gt=0)] = 1.0
    even: Annotated[int, Meta(multiple_of=2)] = 2
    name: Annotated[str, Meta(min_length=1, max_length=3)] = "a"
    word: Annotated[str, Meta(pattern="^x$", extra={LOOKS: "the letter x"})] = "x"
    bare: Annotated[str, Meta(pattern="^x$")] = "x"
    colour: Colour | None = None
    side: Literal["buy", "sell"] = "buy"
    at: datetime | None = None
    day: date | None = None
    flag: bool = False
    key: bytes = b""
    both: int | str | None = None
    prices: dict[str, Annotated[float, Meta(gt=0)]] = {}
    sides: dict[Literal["buy"], int] = {}
    items: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(max_length=2)] = []
    pair: tuple[int, Literal["a", "b"]] = (1, "a")
    shape: Circle | Square | None = None
    deep: dict[str, list[Circle]] = {}


class Outer(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What is given."""

    inner_part: Inner
    kind: Literal["live", "paper"]


KINDS: tuple[tuple[str, str, str], ...] = (  # of the inner part, the field, the reason
    ('"count":0', "count", "must be from 1 to 5"),
    ('"count":"a"', "count", "must be a whole number, not text"),
    ('"count":1.5', "count", "must be a whole number, not a number with decimals"),
    ('"count":null', "count", "must be a whole number, not null"),
    ('"ratio":0', "ratio", "must be greater than 0"),
    ('"even":3', "even", "must be a multiple of 2"),
    ('"name":""', "name", "must have at least 1 character"),
    ('"name":"four"', "name", "must have at most 3 characters"),
    ('"name":["a"]', "name", "must be text, not a list"),
    ('"word":"y"', "word", "must be the letter x"),
    ('"bare":"y"', "bare", "is not of the form that it must have"),
    ('"colour":"green"', "colour", "must be one of red, blue, not 'green'"),
    ('"colour":7', "colour", "must be one of red, blue or null, not a whole number"),
    ('"side":"hold"', "side", "must be one of buy, sell, not 'hold'"),
    ('"at":"noon"', "at", "must be a time such as 2026-01-31T12:00:00Z"),
    ('"day":"noon"', "day", "must be a day such as 2026-01-31"),
    ('"flag":1', "flag", "must be true or false, not a whole number"),
    ('"key":"@"', "key", "must be text in base64"),
    ('"both":1.5', "both", "must be a whole number or text or null, not a number with decimals"),
    ('"prices":{"a":1,"b":-1}', "prices.b", "must be greater than 0"),
    ('"prices":{"a":"x","b":1}', "prices.a", "must be a number, not text"),
    ('"sides":{"sell":1}', "sides", "has a name that must be one of buy, not 'sell'"),
    ('"items":[1,-1]', "items[1]", "must be at least 0"),
    ('"items":[1,1,1]', "items", "must have at most 2 items"),
    ('"pair":[1]', "pair", "must have 2 items"),
    ('"pair":[1,"c"]', "pair[1]", "must be one of a, b, not 'c'"),
    ('"shape":{"shape":"line"}', "shape.shape", "must be one of circle, square, not 'line'"),
    ('"shape":{}', "shape.shape", "is missing; it is one of circle, square"),
    ('"shape":{"shape":"circle"}', "shape.radius", "is missing"),
    ('"deep":{"a":[],"b":[{"shape":"circle","radius":"x"}]}', "deep.b[0].radius", "must be a whole number, not text"),
    ('"shape":{"shape":"circle","radius":1,"z":1}', "shape.z", "is not known here; known: radius"),
)


def told(body: str) -> InvalidInput:
    """The refusal of a body."""
    with pytest.raises(InvalidInput) as caught:
        fitted(msgspec.json.decode(body), Outer)
    return caught.value


@pytest.mark.parametrize(("inner", "field", "reason"), KINDS, ids=[row[0] for row in KINDS])
def test_every_kind_of_error_is_told_with_its_field(inner: str, field: str, reason: str) -> None:
    """Whatever is wrong with a field, I am told which, what, and what would be right."""
    body = f'{{"kind":"live","innerPart":{{{inner}}}}}'
    found = told(body)
    assert found.field == f"innerPart.{field}"
    assert found.message == f"innerPart.{field} {reason}."
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Outer)
    assert misfit(caught.value, Outer, msgspec.json.decode(body)) == (found.field, reason)


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ("[]", "body", "body must be an object, not a list."),
        ('{"kind":"live"}', "innerPart", "innerPart is missing."),
        ("{}", "innerPart", "innerPart is missing."),
        ('{"innerPart":{}}', "kind", "kind is missing; it is one of live, paper."),
        ('{"kind":"live","innerPart":{},"x":1}', "x", "x is not known here; known: innerPart, kind."),
    ],
)
def test_the_whole_is_told_too(body: str, field: str, message: str) -> None:
    """Also where no field is at fault, or one that is not there."""
    assert (told(body).field, told(body).message) == (field, message)


def test_long_values_and_names_are_cut() -> None:
    """A refusal does not send back a megabyte."""
    assert len(str(told('{"kind":"' + "x" * 100_000 + '","innerPart":{}}'))) < 200
    assert len(str(told('{"kind":"live","innerPart":{"' + "x" * 100_000 + '":1}}'))) < 800


def test_among_very_many_entries_none_is_looked_for() -> None:
    """An entry behind the first few hundred is told without its name."""
    prices = {f"k{at}": 1.0 for at in range(KEYS_MAX)} | {"last": -1.0}
    body = msgspec.json.encode({"kind": "live", "innerPart": {"prices": prices}}).decode()
    assert told(body).field == "innerPart.prices.*"


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(Inner.__struct_fields__)


@settings(max_examples=50)
@given(st.dictionaries(FIELDS, PLAIN, max_size=2) | PLAIN)
def test_no_word_of_the_codec_is_left(inner: Any) -> None:
    """Whatever is given, the refusal is in our words: no `$`, no name of a Python type."""
    found: InvalidInput | None = None
    try:
        fitted({"kind": "live", "innerPart": inner}, Outer)
    except InvalidInput as error:
        found = error
    if found is not None:
        assert (found.field or "").startswith("innerPart")
        assert not any(word in found.message for word in ("Expected", "Invalid", "Object ", "`$", "`int`", "`str`"))
