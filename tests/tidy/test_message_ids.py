"""Message ids are of the whole tape: what different parts of the engine append never meets under one id."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from tests.tidy.sources import sources

APPENDS = ("to_append", "_append", "_append_fenced")
# parts whose ids never name the same thing: a job and its session may have one name
ROOMS = ("engine/jobs/", "engine/sessions/", "engine/recordings/", "engine/aggregates/")
# one answer per command, whoever gives it: ids by the command's sequence or by a new id
SHARED = {"answer:{}", "command:{}"}


def patterns(tree: ast.Module) -> Iterator[str]:
    """Every message id that is put together in a call that appends a fact, its values as `{}`."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in APPENDS:
            texts = [each for given in call.args for each in (given.elts if isinstance(given, ast.Tuple) else [given])]
            yield from (pattern(text) for text in texts if isinstance(text, ast.JoinedStr))


def pattern(text: ast.JoinedStr) -> str:
    """An f-string with `{}` for each value."""
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in text.values)


def meet(one: str, other: str) -> bool:
    """Whether two patterns have an id in common; no value has a colon in it, or is a word of another pattern."""
    ones, others = one.split(":"), other.split(":")
    pairs = list(zip(ones, others, strict=False))
    fit = len(ones) == len(others) and all(a == b or "{}" in (a, b) for a, b in pairs)
    return fit and any(a == b != "{}" for a, b in pairs)


def test_no_two_parts_make_the_same_message_id() -> None:
    """A job, its session, a recording and an aggregate of one name have no message id in common."""
    found: dict[str, set[str]] = defaultdict(set)
    for source in sources(("engine",)):
        for room in ROOMS:
            if source.path.startswith(room):
                found[room] |= set(patterns(source.tree)) - SHARED
    assert {room for room in ROOMS if found[room]} == set(ROOMS)
    rooms = list(found)
    met = [
        (one, other)
        for at, room in enumerate(rooms)
        for later in rooms[at + 1 :]
        for one in found[room]
        for other in found[later]
        if meet(one, other)
    ]
    assert met == []
    assert not [text for text in found["engine/jobs/"] if text.startswith("{}")]  # a job's id may be its session's
