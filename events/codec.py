"""From structs to message bodies and back, with versions and upcasters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Union

import msgspec

from events.errors import Bug, Undecodable
from events.facts import COMMANDS, FACTS, Command, Fact
from events.frames import MAGIC
from events.tape import CONTENT_TYPE, FACT_TYPE, Append

# old tag -> function from the old body (a plain dict) to the dict of a newer tag.
UPCASTERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}

_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Fact | Command] = msgspec.json.Decoder(Union[tuple(FACTS + COMMANDS)])  # noqa: UP007
KNOWN = frozenset(str(kind.__struct_config__.tag) for kind in FACTS + COMMANDS)  # every type on the tape


class _Tag(msgspec.Struct):
    type: str


_TAG = msgspec.json.Decoder(_Tag)


def encode(fact: Fact | Command) -> bytes:
    """JSON of a fact or command, its type first.

    Raises:
        Bug: a number in it is not finite: JSON has no word for it, and null would be read by nobody.
    """
    body = _ENCODER.encode(fact)
    if b"null" in body:
        check_finite(fact, type(fact).__name__)
    return body


def check_finite(value: object, name: str) -> None:
    """Every float in a value is finite, but in what is JSON already; `name` says what it is. Raises Bug."""
    _check_finite(msgspec.to_builtins(value, enc_hook=lambda raw: None), name)


def _check_finite(value: object, name: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise Bug(f"{name} is {value}; a fact holds finite numbers only.")
    if isinstance(value, dict):
        for key, each in value.items():
            _check_finite(each, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for at, each in enumerate(value):
            _check_finite(each, f"{name}[{at}]")


def decode(body: bytes, sequence: int = 0) -> Fact | Command:
    """The fact or command in a body, of the newest version.

    Raises:
        Undecodable: not JSON, an unknown type, or a field that does not fit.
    """
    try:
        tag = _TAG.decode(body).type
        if tag not in KNOWN:
            body, tag = _upcast(body, tag, sequence)
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:  # bad text, nested without end
        raise Undecodable(f"Message {sequence} is not a fact this version knows: {error}.", sequence=sequence) from None


def is_frame(body: bytes) -> bool:
    """Whether a body is a frame rather than a fact."""
    return body[:4] == MAGIC


def _upcast(body: bytes, tag: str, sequence: int) -> tuple[bytes, str]:
    fields = msgspec.json.decode(body)
    while tag in UPCASTERS:
        fields = UPCASTERS[tag](fields)
        tag = fields["type"]
    if tag not in KNOWN:
        raise Undecodable(
            f"Message {sequence} is a {tag[:80]!r}, which this version does not know.",
            sequence=sequence,
            hint="Read it with the release that wrote it, or a newer one.",
        )
    return _ENCODER.encode(fields), tag


def to_append(
    fact: Fact | Command, subject: str, message_id: str, *, expected: int | None = None, fence: str | None = None
) -> Append:
    """The message that carries a fact."""
    return Append(subject, encode(fact), message_id, {CONTENT_TYPE: FACT_TYPE}, expected, fence)
