"""Frames: what is encoded comes back, and nothing else is taken for a frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import frames
from events.errors import Bug, Undecodable
from events.frames import Section
from events.rows import FLOAT_FIELDS, MARKET_DTYPE, ROW_DTYPES, SIGNAL_DTYPE, SectionKind

KINDS = sorted({kind for kind, _ in ROW_DTYPES})


@st.composite
def sections(draw: st.DrawFn) -> list[Section]:
    """1 to 4 sections of random rows without NaN and infinity."""
    made = []
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4)):
        dtype = ROW_DTYPES[kind, frames.NEWEST[kind]]
        count = draw(st.integers(1, 5))
        rows = np.frombuffer(draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize)), dtype)
        rows = rows.copy()
        for name in FLOAT_FIELDS[dtype]:
            rows[name] = np.nan_to_num(rows[name])
        made.append(Section(kind, rows, draw(st.integers(0, 2**62))))
    return made


BODY = frames.encode(
    [
        Section(SectionKind.MARKET, np.ones(3, MARKET_DTYPE), 5),
        Section(SectionKind.SIGNAL, np.ones(2, SIGNAL_DTYPE), 9),
    ]
)


@given(sections())
def test_round_trip(made: list[Section]) -> None:
    """Kinds, ordinals and every byte of every row come back, in order."""
    back = frames.decode(frames.encode(made))
    assert [(each.kind, each.ordinal, each.rows.tobytes()) for each in back] == [
        (each.kind, each.ordinal, each.rows.tobytes()) for each in made
    ]


@given(st.binary(max_size=300))
def test_random_bytes_are_no_frame(body: bytes) -> None:
    """Bytes from anywhere are refused, with and without the magic word."""
    for candidate in (body, frames.MAGIC + body):
        try:
            back = frames.decode(candidate, 7)
        except Undecodable as refused:
            assert refused.sequence == 7  # noqa: PT017
        else:
            assert frames.encode(back) == candidate


@given(st.integers(0, len(BODY) - 1))
def test_truncated_frames_are_refused(size: int) -> None:
    """A frame cut anywhere is refused."""
    with pytest.raises(Undecodable):
        frames.decode(BODY[:size])


@given(st.binary(min_size=1, max_size=100))
def test_longer_frames_are_refused(more: bytes) -> None:
    """Bytes behind the last row are refused."""
    with pytest.raises(Undecodable):
        frames.decode(BODY + more)


@settings(max_examples=300)
@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_changed_frames_are_refused_or_differ(at: int, change: int) -> None:
    """One changed byte gives a refusal, or a frame that encodes to the changed bytes: nothing is lost silently."""
    changed = bytearray(BODY)
    changed[at] ^= change
    try:
        back = frames.decode(bytes(changed))
    except Undecodable:
        return
    assert frames.encode(back) == bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite(kind: SectionKind, bad: float) -> None:
    """NaN and infinity are refused on the way in and on the way out, with row and field."""
    dtype = ROW_DTYPES[kind, 1]
    for name in FLOAT_FIELDS[dtype]:
        rows = np.zeros(3, dtype)
        body = bytearray(frames.encode([Section(kind, rows)]))
        rows[name][1] = bad
        with pytest.raises(Bug, match=f"row 1 has {name}"):
            frames.encode([Section(kind, rows)])
        body[-rows.nbytes :] = rows.tobytes()
        with pytest.raises(Undecodable, match=f"row 1 has {name}"):
            frames.decode(bytes(body))


def test_what_cannot_be_a_frame() -> None:
    """No sections, too many, an empty one, or rows of another dtype are our bug."""
    good = Section(SectionKind.MARKET, np.zeros(1, MARKET_DTYPE))
    for bad in (
        [],
        [good] * (frames.SECTIONS_MAX + 1),
        [Section(SectionKind.MARKET, np.zeros(0, MARKET_DTYPE))],
        [Section(SectionKind.MARKET, np.zeros(1, SIGNAL_DTYPE))],
        [Section(SectionKind.MARKET, np.zeros((1, 1), MARKET_DTYPE))],
    ):
        with pytest.raises(Bug):
            frames.encode(bad)


def test_unknown_kind_and_version() -> None:
    """A section of a later release is refused with a hint, not skipped."""
    for place, value in ((8, 99), (9, 2)):
        changed = bytearray(BODY)
        changed[place] = value
        with pytest.raises(Undecodable, match="does not know") as refused:
            frames.decode(bytes(changed))
        assert "newer" in refused.value.hint


def test_decoding_copies_nothing() -> None:
    """Rows are read-only views on the body."""
    (section, _) = frames.decode(BODY)
    assert section.rows.base is not None
    assert not section.rows.flags.writeable
    assert frames.decode(memoryview(BODY))[0].rows.tobytes() == section.rows.tobytes()


def test_old_rows_are_upcast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of an older version pass its upcaster on the way in."""
    newer = np.dtype([*[(name, MARKET_DTYPE[name]) for name in MARKET_DTYPE.names or ()], ("extra", "<i8")])

    def upcast(rows: np.ndarray) -> np.ndarray:
        raised = np.zeros(len(rows), newer)
        for name in MARKET_DTYPE.names or ():
            raised[name] = rows[name]
        raised["extra"] = 42
        return raised

    monkeypatch.setitem(ROW_DTYPES, (SectionKind.MARKET, 2), newer)
    monkeypatch.setitem(frames.NEWEST, SectionKind.MARKET, 2)
    monkeypatch.setitem(frames.UPCASTERS, (SectionKind.MARKET, 1), upcast)
    rows = frames.rows_of(frames.decode(BODY), SectionKind.MARKET)
    assert rows.dtype == newer
    assert set(rows["extra"]) == {42}
