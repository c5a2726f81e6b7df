"""Frames decoded many at a time are what they are one at a time, up to the first that is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import decisions, frames
from events.decisions import Decision
from events.errors import Undecodable
from events.facts import Place
from events.frames import Section
from events.rows import DECISION_KINDS, FILL_DTYPE, MARKET_DTYPE, ROW_DTYPES, SIGNAL_DTYPE, SectionKind
from events.stack import Stack, stack
from events.tape import MESSAGE_ID, Message
from tests.events.test_frames import sections

SIGNALS = np.ones(2, SIGNAL_DTYPE)
Told = list[tuple[int, int, int, int, bytes]]  # place, frame, kind, ordinal and rows of sections


def told(made: Stack) -> Told:
    """Its sections, in order."""
    return sorted(
        (place, frame, int(kind), ordinal, rows.tobytes())
        for kind, layer in made.layers.items()
        for place, frame, ordinal, rows in zip(
            layer.place.tolist(), layer.frame.tolist(), layer.ordinal.tolist(), layer.parts(), strict=True
        )
    )


def one_by_one(bodies: list[bytes]) -> tuple[int, Told]:
    """How many bodies are whole from the first on, and their sections."""
    found: Told = []
    for frame, body in enumerate(bodies):
        try:
            made = frames.decode(body)
        except Undecodable:
            return frame, found
        for each in made:
            found.append((len(found), frame, int(each.kind), each.ordinal, each.rows.tobytes()))
    return len(bodies), found


def damaged(body: bytes, how: str, at: int, change: int) -> bytes:
    """The body with a fault."""
    at %= len(body)
    return {
        "changed": body[:at] + bytes([body[at] ^ change]) + body[at + 1 :],
        "cut": body[:at],
        "longer": body + bytes(change),
        "not finite": body[:-8] + np.float64("nan").tobytes(),
        "swapped": body[at:] + body[:at],
    }[how]


@settings(max_examples=300)
@given(st.data())
def test_many_frames_are_what_they_are_one_by_one(data: st.DataObject) -> None:
    """Every row, kind and ordinal is there, in order; a damaged frame is found, and nothing behind it is taken."""
    bodies = [frames.encode(each) for each in data.draw(st.lists(sections(), max_size=6))]
    for _ in range(data.draw(st.integers(0, 2)) if bodies else 0):
        which = data.draw(st.integers(0, len(bodies) - 1))
        how = data.draw(st.sampled_from(["changed", "cut", "longer", "not finite", "swapped"]))
        if bodies[which]:
            bodies[which] = damaged(bodies[which], how, data.draw(st.integers(0, 400)), data.draw(st.integers(1, 255)))
    made = stack(bodies)
    assert (made.frames, told(made)) == one_by_one(bodies)


@pytest.mark.parametrize("change", [1, 2, 128, 255])
def test_every_byte_in_front_of_the_rows(change: int) -> None:
    """A change of any byte that says what a frame holds is refused, or read, as it is in a frame alone."""
    body = frames.encode(
        [Section(SectionKind.MARKET, np.ones(3, MARKET_DTYPE), 5), Section(SectionKind.SIGNAL, SIGNALS)]
    )
    for at in range(8 + 2 * 16):
        bodies = [body, damaged(body, "changed", at, change), body]
        made = stack(bodies)
        assert (made.frames, told(made)) == one_by_one(bodies)


def test_a_section_without_rows_is_refused() -> None:
    """A section that says that it has no rows is no section, also where all the bytes fit."""
    body = frames.encode([Section(SectionKind.SIGNAL, SIGNALS)])
    empty = body[:12] + bytes(4) + body[16:24]
    assert stack([body, empty]).frames == one_by_one([body, empty])[0] == 1


@given(st.lists(sections(), min_size=1, max_size=6), st.data())
def test_some_of_many_frames(made: list[list[Section]], data: st.DataObject) -> None:
    """Some of the frames are what they would be without the others."""
    bodies = [frames.encode(each) for each in made]
    chosen = sorted(data.draw(st.sets(st.integers(0, len(bodies) - 1))))
    some = stack(bodies).of(np.array(chosen, "<i8"))
    without = stack([bodies[at] for at in chosen])
    assert some.frames == without.frames
    assert [each[1:] for each in told(some)] == [each[1:] for each in told(without)]


def test_old_and_new_rows_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of several versions come in order, all of the newest."""
    newer = np.dtype([*((name, SIGNAL_DTYPE[name]) for name in SIGNAL_DTYPE.names or ()), ("extra", "<i8")])

    def upcast(rows: np.ndarray) -> np.ndarray:
        raised = np.zeros(len(rows), newer)
        for name in SIGNAL_DTYPE.names or ():
            raised[name] = rows[name]
        return raised

    old, new = np.zeros(2, SIGNAL_DTYPE), np.zeros(2, newer)
    old["input"], new["input"], new["extra"] = 1, 2, 42
    before = frames.encode([Section(SectionKind.SIGNAL, old)])
    monkeypatch.setitem(ROW_DTYPES, (SectionKind.SIGNAL, 2), newer)
    monkeypatch.setitem(frames.DTYPES, (SectionKind.SIGNAL, 2), (SectionKind.SIGNAL, newer))
    monkeypatch.setitem(frames.FLOAT_FIELDS, newer, ("price", "strength"))
    monkeypatch.setitem(frames.NEWEST, SectionKind.SIGNAL, 2)
    monkeypatch.setitem(frames.UPCASTERS, (SectionKind.SIGNAL, 1), upcast)
    monkeypatch.setattr(frames, "FEW_ROWS", 0)
    after = frames.encode([Section(SectionKind.SIGNAL, new, 2)])
    made = stack([before, after, before])
    assert told(made) == one_by_one([before, after, before])[1]
    assert made.layers[SectionKind.SIGNAL].rows["extra"].tolist() == [0, 0, 42, 42, 0, 0]


def message(sequence: int, kind: SectionKind = SectionKind.FILL) -> Message:
    """A decision of one row."""
    section = Section(kind, np.zeros(1, ROW_DTYPES[kind, 1]), sequence)
    append = decisions.to_append(Decision("s", (section,), Place(1, 0), sequence, 1), expected=0)
    headers = {**append.headers, MESSAGE_ID: append.message_id}
    return Message(sequence, append.subject, headers, append.body, 0)


def changed(one: Message, **fields: object) -> Message:
    """The message with other fields."""
    return Message(**{name: fields.get(name, getattr(one, name)) for name in Message.__struct_fields__})


FAULTS: dict[str, Callable[[Message], Message]] = {
    "no claim": lambda one: changed(one, headers={**one.headers, decisions.CLAIM: "first"}),
    "no cause": lambda one: changed(one, headers={**one.headers, decisions.CAUSE: "1"}),
    "no headers": lambda one: changed(one, headers={}),
    "no session": lambda one: changed(one, subject="tape.desk.decision"),
    "market rows": lambda one: changed(
        one, body=frames.encode([Section(SectionKind.MARKET, np.zeros(1, MARKET_DTYPE))])
    ),
    "cut": lambda one: changed(one, body=one.body[:-1]),
}


@pytest.mark.parametrize("kind", DECISION_KINDS)
def test_decisions_of_every_kind(kind: SectionKind) -> None:
    """Decisions without a fault are all there, with their sessions."""
    sessions, made = decisions.stacked([message(at, kind) for at in range(1, 4)])
    assert (sessions, made.frames) == (["s"] * 3, 3)
    assert made.layers[kind].ordinal.tolist() == [1, 2, 3]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at", [0, 2])
def test_a_decision_that_is_refused_ends_many(fault: str, at: int) -> None:
    """What is refused one at a time is where many end, whichever fault another behind it has."""
    messages = [message(number) for number in range(1, 5)]
    messages[at] = FAULTS[fault](messages[at])
    messages[3] = FAULTS["cut"](messages[3])
    with pytest.raises(Undecodable):
        decisions.from_message(messages[at])
    sessions, made = decisions.stacked(messages)
    assert (len(sessions), made.frames) == (at, at)
    assert sum(len(layer.rows) for layer in made.layers.values()) == at
    assert all(layer.rows.dtype == FILL_DTYPE for layer in made.layers.values())
