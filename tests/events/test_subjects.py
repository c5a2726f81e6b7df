"""Subjects: no text from outside becomes a wildcard, another subject or a command to the server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import guards, subjects
from events.errors import InvalidInput
from events.jetstream.reader import covers, uncovered

MAKERS = (
    subjects.market,
    subjects.recording,
    subjects.session_fact,
    subjects.session_decision,
    subjects.session_fence,
    subjects.session_commands,
)
TOKENS = st.sampled_from(["a", "b", "c", "*"])
NAMES = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(".".join)
FILTERS = st.tuples(st.lists(TOKENS, min_size=1, max_size=3), st.booleans()).map(
    lambda made: ".".join([*made[0], ">"] if made[1] else made[0])
)


@given(st.text(max_size=80))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    """Whatever text comes, a subject made of it passes the guards, or the text is refused with the field's name."""
    for maker in MAKERS:
        try:
            made = maker(text)
        except InvalidInput as refused:
            assert refused.field  # noqa: PT017
        else:
            guards.check_filter(made)
            assert made.count(".") == maker("x").count(".")


@pytest.mark.parametrize("text", ["", ".", "*", ">", "a.b", "a b", "a\r\nPUB", "ä", "x" * 65, "a\n"])
def test_bad_tokens(text: str) -> None:
    """Dots, wildcards, spaces and line breaks are refused."""
    with pytest.raises(InvalidInput, match="session_id"):
        subjects.session_fact(text)


def test_session_of_a_subject() -> None:
    """The session in a subject is found, and none where there is none."""
    assert subjects.session_of(subjects.session_fact("s")) == "s"
    assert subjects.session_of(subjects.session_decision("s", research=True)) == "s"
    assert subjects.session_of(subjects.session_commands("s")) == "s"
    assert subjects.session_of(subjects.DESK) is None
    assert subjects.session_of(subjects.DESK_COMMANDS) is None
    assert subjects.session_of(subjects.market("s")) is None


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("tape.>", "tape.a", True),
        ("tape.>", "tape.a.b", True),
        ("tape.>", "tape", False),
        ("tape.*", "tape.a", True),
        ("tape.*", "tape.a.b", False),
        ("tape.*.b", "tape.a.b", True),
        ("tape.*.b", "tape.a.c", False),
        ("tape.a", "tape.a", True),
        ("tape.a", "tape.ab", False),
        ("tape.a.b", "tape.a", False),
        ("vault.>", "tape.a", False),
    ],
)
def test_matching(pattern: str, subject: str, expected: bool) -> None:
    """`*` is one token, a closing `>` one or more."""
    assert subjects.matches(pattern, subject) is expected


@given(FILTERS, FILTERS, NAMES)
def test_covering_is_matching_all(wide: str, narrow: str, name: str) -> None:
    """A filter that covers another matches whatever the other matches."""
    if covers(wide, narrow) and subjects.matches(narrow, name):
        assert subjects.matches(wide, name)


@given(st.lists(FILTERS, min_size=1, max_size=5), NAMES)
def test_uncovered_filters_match_the_same(filters: list[str], name: str) -> None:
    """Leaving out covered filters changes nothing about what is matched."""
    before = any(subjects.matches(each, name) for each in filters)
    assert any(subjects.matches(each, name) for each in uncovered(tuple(filters))) is before
