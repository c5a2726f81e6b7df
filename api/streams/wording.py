"""How a message of the tape is worded for clients: JSON once, the same bytes for everybody."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import msgspec
import numpy as np
import structlog

from events import codec, frames, subjects
from events.clock import iso
from events.decisions import CAUSE
from events.errors import InvalidInput, Undecodable
from events.facts.audit import ActionAudited
from events.frames import Section
from events.rows import DECISION_KINDS, Rows, SectionKind
from events.tape import Message

log = structlog.get_logger(__name__)

UNDECODABLE = "undecodable"
AUDITED = str(ActionAudited.__struct_config__.tag)
MARKET_KINDS = (SectionKind.MARKET, SectionKind.BAR)
OF_MARKET = frozenset(kind.name.lower() for kind in MARKET_KINDS)
OF_DECISIONS = frozenset({"decision"} | {kind.name.lower() for kind in DECISION_KINDS})
KINDS = codec.KNOWN | OF_MARKET | OF_DECISIONS | {UNDECODABLE}
FACT_SUBJECTS = (
    *("tape.*", subjects.COMMANDS, subjects.RECORDINGS, subjects.RECORDING_PROGRESS),
    *(subjects.JOB_FACTS, *subjects.SESSION_FACTS),
)
DECISION_SUBJECTS = ("tape.session.*.decision", "tape.research.*.decision")
# a job, its body and its result are its user's
OF_USERS = (subjects.JOB_FACTS.removesuffix(">"), subjects.JOBS, subjects.commands("jobs"))
ROWS_MAX = 200  # decision rows of one section that are written out


class Event(msgspec.Struct, frozen=True):
    """One message as clients see it. `body` is the fact itself, or what a frame holds."""

    sequence: int
    subject: str
    type: str
    appended_at: str
    session: str | None
    body: Any


class Worded(msgspec.Struct, frozen=True):
    """An event ready to send, with what filters ask about."""

    sequence: int
    session: str | None
    types: frozenset[str]  # fact type, or section kinds in lower case
    instruments: frozenset[int]
    private: bool  # shown to admins only
    data: bytes  # the event as JSON
    sse: bytes  # the event as one server-sent event


class Filter(msgspec.Struct, frozen=True):
    """Which events a client wants; empty means all."""

    session: str | None = None
    kinds: frozenset[str] = frozenset()
    instrument: int | None = None
    private: bool = False  # whether it may show who did what, and what is of one user

    def subjects(self) -> tuple[str, ...]:
        """Subjects among which all wanted events are: the fewest that can be named."""
        if self.session is None:
            return self._of_all()
        roots = (f"tape.session.{self.session}.>", f"tape.research.{self.session}.>")
        return (*roots, subjects.session_commands(self.session))

    def _of_all(self) -> tuple[str, ...]:
        if not self.kinds or UNDECODABLE in self.kinds:
            return (subjects.TAPE,)
        found: tuple[str, ...] = ()
        if self.kinds & OF_MARKET:
            found += (subjects.MARKET,)
        if self.kinds & OF_DECISIONS:
            found += DECISION_SUBJECTS
        return found + (FACT_SUBJECTS if self.kinds - OF_MARKET - OF_DECISIONS else ())

    def wants(self, event: Worded) -> bool:
        """Whether an event passes."""
        if self.session is not None and event.session != self.session:
            return False
        if event.private and not self.private:
            return False
        if self.kinds and not self.kinds & event.types:
            return False
        return self.instrument is None or self.instrument in event.instruments


def kinds_in(text: str) -> frozenset[str]:
    """The kinds of events in a comma-separated text.

    Raises:
        InvalidInput: one of them is none.
    """
    kinds = frozenset(part for part in text.split(",") if part)
    for kind in sorted(kinds - KINDS):
        near = get_close_matches(kind, KINDS, 1)
        like = f" Do you mean {near[0]}?" if near else ""
        raise InvalidInput(
            f"kind is {kind[:40]!r}; it is the type of a fact or command, or one of "
            f"{', '.join(sorted(OF_MARKET | OF_DECISIONS))}.{like}",
            field="kind",
        )
    return kinds


_encode = msgspec.json.Encoder().encode


def word(message: Message) -> Worded:
    """A message in words. One that this release cannot read is an event of type `undecodable`: nobody loses more."""
    try:
        kind, types, instruments, body = _read(message)
    except Undecodable as error:
        kind, types, instruments, body = UNDECODABLE, frozenset({UNDECODABLE}), frozenset(), {"message": str(error)}
    except Exception:  # our bug, and one event that says so instead of a stream that ends at it again and again
        log.exception("event_not_worded", sequence=message.sequence, subject=message.subject)
        kind, types, instruments = UNDECODABLE, frozenset({UNDECODABLE}), frozenset()
        body = {"message": f"Message {message.sequence} could not be worded; the log of the API says why."}
    session = subjects.session_of(message.subject)
    event = Event(message.sequence, message.subject, kind, iso(message.appended_ns), session, body)
    data = _encode(event)
    sse = b"id: %d\nevent: %s\ndata: %s\n\n" % (message.sequence, kind.encode(), data)
    private = kind == AUDITED or message.subject.startswith(OF_USERS)
    return Worded(message.sequence, session, types | {kind}, instruments, private, data, sse)


def _read(message: Message) -> tuple[str, frozenset[str], frozenset[int], Any]:
    """(type, types a filter may name, instruments, body). Raises Undecodable."""
    if not codec.is_frame(message.body):
        try:
            kind = msgspec.json.decode(message.body, type=_Tag).type
        except msgspec.MsgspecError:
            raise Undecodable(f"Message {message.sequence} is no fact.", sequence=message.sequence) from None
        if not kind.isidentifier():
            raise Undecodable(f"Message {message.sequence} has no type of ours.", sequence=message.sequence)
        return kind, frozenset({kind}), frozenset(), msgspec.Raw(message.body)
    sections = frames.decode(message.body, message.sequence)
    instruments = frozenset(
        int(one)
        for section in sections
        if "instrument" in (section.rows.dtype.names or ())
        for one in np.unique(section.rows["instrument"])
    )
    body: dict[str, Any] = {section.kind.name.lower(): _section(section) for section in sections}
    if CAUSE in message.headers:
        body["cause"] = message.headers[CAUSE]
    kind = "market" if sections[0].kind in MARKET_KINDS else "decision"
    return kind, frozenset(section.kind.name.lower() for section in sections), instruments, body


class _Tag(msgspec.Struct):
    type: str


def _section(section: Section) -> dict[str, Any]:
    rows = section.rows
    if section.kind in MARKET_KINDS:
        return _market(rows)
    names = [name for name in rows.dtype.names or () if name != "pad"]
    listed = [dict(zip(names, (row[name].item() for name in names), strict=True)) for row in rows[:ROWS_MAX]]
    return {"ordinal": section.ordinal, "rows_total": len(rows), "rows": listed}


def _market(rows: Rows) -> dict[str, Any]:
    price = "close" if "close" in (rows.dtype.names or ()) else "price"
    numbers, last = np.unique(rows["instrument"][::-1], return_index=True)
    prices = {
        str(int(number)): float(rows[price][len(rows) - 1 - at]) for number, at in zip(numbers, last, strict=True)
    }
    return {
        "rows_total": len(rows),
        "first_at": iso(int(rows["ts_event_ns"][0])),
        "last_at": iso(int(rows["ts_event_ns"][-1])),
        "last_prices": prices,
    }
