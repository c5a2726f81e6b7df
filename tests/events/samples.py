"""Golden samples of every fact, command and row dtype: how they are made, and where they lie.

A released sample is never written again. `python -m tests.events.samples` adds those that are missing.
"""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from events import codec, frames
from events.facts import COMMANDS, FACTS, Command, Fact
from events.frames import Section
from events.rows import ROW_DTYPES, Rows, SectionKind

GOLDEN = Path(__file__).parent / "golden"
ORDINAL = 1_000_000_007


def tag_of(kind: type[Fact | Command]) -> str:
    """The tag on the tape."""
    return str(kind.__struct_config__.tag)


def fact_file(kind: type[Fact | Command]) -> Path:
    """Where the sample of a fact or command lies."""
    return GOLDEN / f"{tag_of(kind)}.json"


def rows_file(kind: SectionKind, version: int) -> Path:
    """Where the sample of a row dtype lies."""
    return GOLDEN / f"{kind.name}.v{version}.hex"


def sample_rows(kind: SectionKind, version: int) -> Rows:
    """Two rows in which every field has a value of its own."""
    dtype = ROW_DTYPES[kind, version]
    rows = np.zeros(2, dtype)
    for number, name in enumerate(dtype.names or ()):
        base = np.array([number + 1, -(number + 2)])
        rows[name] = np.abs(base) if dtype[name].kind == "u" else base * (1.25 if dtype[name].kind == "f" else 1)
    return rows


def sample_of(kind: Any, name: str = "x") -> Any:
    """A value of a type in which every field is set."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return sample_of(next(each for each in arguments if each is not type(None)), name)
    if origin is typing.Literal:
        return arguments[-1]
    if origin is tuple:
        repeated = arguments[-1] is Ellipsis
        return tuple(sample_of(each, name) for each in (arguments[:1] if repeated else arguments))
    if origin is dict:
        return {sample_of(arguments[0], "key"): sample_of(arguments[1], name)}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind)
        return kind(**{field: sample_of(hints[field], field) for field in kind.__struct_fields__})
    plain: dict[Any, Any] = {str: name, int: 7, float: 0.25, bool: True, msgspec.Raw: msgspec.Raw(b'{"rows":[1]}')}
    return plain[kind]


def main() -> None:
    """Write the samples that are missing."""
    GOLDEN.mkdir(exist_ok=True)
    for fact in FACTS + COMMANDS:
        if not fact_file(fact).exists():
            fact_file(fact).write_bytes(codec.encode(sample_of(fact)) + b"\n")
    for kind, version in ROW_DTYPES:
        if not rows_file(kind, version).exists():
            body = frames.encode([Section(kind, sample_rows(kind, version), ORDINAL)])
            rows_file(kind, version).write_text(body.hex() + "\n")


if __name__ == "__main__":
    main()
