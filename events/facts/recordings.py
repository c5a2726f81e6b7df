"""Recordings: bounded, hashed stretches of a source."""

from __future__ import annotations

from typing import Literal

from events.facts.kinds import Fact, Place


class RecordingOpened(Fact, frozen=True, tag="RecordingOpened"):
    """A source starts a recording; its market frames follow on the source's subject.

    Of a collect session (`origin` collect) it is told at the session's end, behind its rows, and has the session's id.
    """

    recording: str
    source: str
    origin: Literal["import", "simulated", "file", "collect", "live"]
    description: str
    instruments: tuple[int, ...]
    symbols: tuple[str, ...]
    kinds: tuple[str, ...]
    section: Literal["market", "bar"] = "market"
    designated: Literal["event", "received"] = "event"
    mapping: str = ""  # how the input was read, as JSON
    content_id: str = ""  # hash of file bytes and mapping: the same import is the same recording
    user: str = "system"
    opened_ns: int = 0
    session: str | None = None  # the collect session that made it, or for which its source began to run


class RecordingCompleted(Fact, frozen=True, tag="RecordingCompleted"):
    """The recording is whole and may be replayed."""

    recording: str
    rows: int  # of its instruments
    first: Place
    last: Place
    first_event_ns: int
    last_event_ns: int
    content_hash: str  # BLAKE2b over the packed rows in order
    completed_ns: int = 0
    findings: tuple[str, ...] = ()


class RecordingAbandoned(Fact, frozen=True, tag="RecordingAbandoned"):
    """The recording will not be finished. Its rows stay on the tape."""

    recording: str
    reason: str


class RecordingProgressed(Fact, frozen=True, tag="RecordingProgressed"):
    """How many rows an open recording has on the tape; told at most every few seconds, and only news."""

    recording: str
    rows: int


FACTS: tuple[type[Fact], ...] = (RecordingOpened, RecordingCompleted, RecordingAbandoned, RecordingProgressed)
