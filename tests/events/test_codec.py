"""Facts as JSON: what is no fact of ours is refused with its sequence, whatever it is."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import codec, decisions, frames
from events.decisions import Decision
from events.errors import Bug, Undecodable
from events.facts import (
    CommandAccepted,
    CommandRefused,
    Place,
    SessionEnded,
    SessionSpec,
    StartSession,
    StrategySetting,
)
from events.frames import Section
from events.rows import MARK_DTYPE, MARKET_DTYPE, SectionKind
from events.tape import CONTENT_TYPE, FACT_TYPE, MESSAGE_ID, Message
from tests.events import samples

ACCEPTED = CommandAccepted(key="k", cause=3)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"{",
        b'{"type":5}',
        b'{"type":"Nothing"}',
        b'{"type":"CommandAccepted"}',
        b'{"type":"CommandAccepted","key":1,"cause":3}',
        b'{"type":"CommandAccepted","key":"k","cause":1.5}',
        b'{"type":"CommandAccepted","key":"k","cause":1e400}',
        b'{"type":"\xff"}',
        b'{"type":"CommandAccepted","key":"\xff","cause":1}',
        b'{"type":"CommandAccepted","a":' + b"[" * 100_000,
        b'{"type":"ResearchCompleted","research":"a","kind":"sweep","body":' + b"[" * 100_000,
        frames.MAGIC + b"\x00" * 40,
    ],
)
def test_what_is_no_fact_is_refused(body: bytes) -> None:
    """Wrong types, missing fields, bad text and endless nesting are refused with the message's sequence."""
    with pytest.raises(Undecodable) as refused:
        codec.decode(body, 17)
    assert refused.value.sequence == 17
    assert "Message 17" in str(refused.value)


@given(st.binary(max_size=200))
def test_random_bytes_are_no_fact(body: bytes) -> None:
    """Bytes from anywhere give the one error."""
    with pytest.raises(Undecodable):
        codec.decode(body)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=10))
def test_random_fields_are_no_fact(value: Any) -> None:
    """A known type with a field of any other shape is refused, never half read."""
    body = msgspec.json.encode({"type": "CommandAccepted", "key": value, "cause": 1})
    try:
        fact = codec.decode(body)
    except Undecodable:
        assert not isinstance(value, str)
    else:
        assert fact == CommandAccepted(key=value, cause=1)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_has_no_word_for_are_refused(wrong: float) -> None:
    """A number that is not finite is refused where it would be written, with its field, in any depth."""
    ended = SessionEnded(
        session="s", reason="stopped", inputs=1, place=Place(), decision_hash="", counts={}, equity=wrong
    )
    with pytest.raises(Bug, match=r"SessionEnded\.equity is "):
        codec.encode(ended)
    start = StartSession(key="k", user="u", spec=samples.sample_of(SessionSpec))
    setting = StrategySetting(strategy="x", params={"fast": wrong})
    deep = msgspec.structs.replace(start, spec=msgspec.structs.replace(start.spec, strategies=(setting,)))
    with pytest.raises(Bug, match=r"StartSession\.spec\.strategies\[0\]\.params\.fast is "):
        codec.encode(deep)
    assert codec.decode(codec.encode(CommandRefused(key="null", cause=1, code="c", message="null", field=None)))


def test_unknown_fields_of_a_later_release_are_left_out() -> None:
    """A field that this release does not know does not make a fact unreadable."""
    body = codec.encode(ACCEPTED)[:-1] + b',"later":{"a":[1]}}'
    assert codec.decode(body) == ACCEPTED


def test_type_stands_first() -> None:
    """A fact says what it is before anything else."""
    assert codec.encode(ACCEPTED).startswith(b'{"type":"CommandAccepted",')


def test_upcasters_run_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """An old tag is raised step by step to a known one; a tag without an upcaster is refused with a hint."""
    monkeypatch.setitem(codec.UPCASTERS, "Accepted1", lambda old: {"type": "Accepted2", "key": old["k"]})
    monkeypatch.setitem(codec.UPCASTERS, "Accepted2", lambda old: {**old, "type": "CommandAccepted", "cause": 3})
    assert codec.decode(b'{"type":"Accepted1","k":"k"}') == ACCEPTED
    monkeypatch.setitem(codec.UPCASTERS, "Accepted2", lambda old: {"type": "Accepted3"})
    with pytest.raises(Undecodable, match="Accepted3"):
        codec.decode(b'{"type":"Accepted1","k":"k"}')


def test_facts_and_frames_are_told_apart() -> None:
    """The first bytes of a body say whether it is a frame."""
    assert codec.is_frame(frames.encode([Section(SectionKind.MARK, np.zeros(1, MARK_DTYPE))]))
    assert not any(codec.is_frame(codec.encode(samples.sample_of(kind))) for kind in codec.FACTS)
    message = codec.to_append(ACCEPTED, "tape.desk", "id", expected=4)
    assert (message.subject, message.expected, message.headers) == ("tape.desk", 4, {CONTENT_TYPE: FACT_TYPE})


# --- decisions --------------------------------------------------------------------------------------------------------

DECISION = Decision("s1", (Section(SectionKind.MARK, np.zeros(2, MARK_DTYPE), 4),), Place(9, 3), 12, 2)


def message_of(decision: Decision, **headers: str) -> Message:
    """The message that carries it, with some headers changed; an empty one is left out."""
    sent = decisions.to_append(decision, 8)
    merged = {**sent.headers, MESSAGE_ID: sent.message_id, **{f"Tapedeck-{key}": text for key, text in headers.items()}}
    return Message(10, sent.subject, {key: text for key, text in merged.items() if text}, sent.body, 1)


@pytest.mark.parametrize("research", [False, True])
def test_decision_round_trip(research: bool) -> None:
    """A decision is read back from its message, and fenced over its session."""
    decision = msgspec.structs.replace(DECISION, research=research)
    back = decisions.from_message(message_of(decision))
    assert (back.session, back.cause, back.inputs, back.epoch, back.research) == ("s1", Place(9, 3), 12, 2, research)
    assert back.rows(SectionKind.MARK).tobytes() == decision.rows(SectionKind.MARK).tobytes()
    sent = decisions.to_append(decision, 8)
    root = "research" if research else "session"
    assert (sent.expected, sent.fence, sent.message_id) == (8, f"tape.{root}.s1.>", "s1:20-4")


@pytest.mark.parametrize("change", [{"Cause": ""}, {"Cause": "9"}, {"Cause": "a.b"}, {"Inputs": "x"}, {"Claim": ""}])
def test_decision_without_its_headers(change: dict[str, str]) -> None:
    """Missing or broken headers are refused with the sequence."""
    with pytest.raises(Undecodable, match="Message 10"):
        decisions.from_message(message_of(DECISION, **change))


def test_market_rows_are_no_decision() -> None:
    """A frame of market rows on a session's subject is refused."""
    wrong = Decision("s1", (Section(SectionKind.MARKET, np.zeros(1, MARKET_DTYPE)),), Place(), 0, 1)
    with pytest.raises(Undecodable, match="no decision"):
        decisions.from_message(message_of(wrong))
