"""The two families of messages that are group-committed: decisions of a session, market rows of a source."""

from __future__ import annotations

import numpy as np

from events import decisions, frames, subjects
from events.decisions import Decision
from events.errors import Bug
from events.frames import Section
from events.rows import Rows, SectionKind
from events.tape import CONTENT_TYPE, FRAME_TYPE, Append


class SessionFamily:
    """Decisions, which join one another, and ready-made messages (facts), which stand alone; one fence over both."""

    def __init__(self, session: str, *, research: bool = False) -> None:
        self._session = session
        self._research = research
        self._fence = subjects.session_fence(session, research=research)

    def weigh(self, item: Decision | Append) -> tuple[int, int]:
        """Rows and bytes."""
        if isinstance(item, Append):
            return 1, len(item.body)
        return sum(len(each.rows) for each in item.sections), sum(each.rows.nbytes for each in item.sections)

    def joins(self, items: list[Decision | Append], item: Decision | Append) -> bool:
        """Decisions of one claim join; their ordinals must go on without a gap."""
        last = items[-1]
        return isinstance(last, Decision) and isinstance(item, Decision) and last.epoch == item.epoch

    def freeze(self, items: list[Decision | Append], expected: int) -> Append:
        """One decision of all rows, with the cause and the inputs of the last; or the fact, fenced."""
        first = items[0]
        if isinstance(first, Append):
            return Append(first.subject, first.body, first.message_id, first.headers, expected, self._fence)
        return decisions.to_append(merge([item for item in items if isinstance(item, Decision)]), expected)


class MarketFamily:
    """Sections of rows of one source; the ordinal of the first row makes the message id."""

    def __init__(self, source: str) -> None:
        self._subject = subjects.market(source)
        self._source = source

    def weigh(self, item: Section) -> tuple[int, int]:
        """Rows and bytes."""
        return len(item.rows), item.rows.nbytes

    def joins(self, items: list[Section], item: Section) -> bool:
        """Rows of one kind join."""
        return items[-1].kind is item.kind

    def freeze(self, items: list[Section], expected: int) -> Append:
        """One frame of all rows, fenced on the source's subject."""
        section = join(items)
        return Append(
            subject=self._subject,
            body=frames.encode([section]),
            message_id=f"{self._source}:{section.ordinal}",
            headers={CONTENT_TYPE: FRAME_TYPE},
            expected=expected,
            fence=self._subject,
        )


def merge(parts: list[Decision]) -> Decision:
    """One decision of several that follow each other.

    Raises:
        Bug: ordinals of a kind that do not go on without a gap, or parts of several sessions or claims.
    """
    if len(parts) == 1:
        return parts[0]
    first, last = parts[0], parts[-1]
    if any(part.session != first.session or part.epoch != first.epoch for part in parts):
        raise Bug("Decisions of several sessions or claims cannot be one message.")
    by_kind: dict[SectionKind, list[Section]] = {}
    for part in parts:
        for section in part.sections:
            by_kind.setdefault(section.kind, []).append(section)
    sections = tuple(join(by_kind[kind]) for kind in sorted(by_kind))
    return Decision(first.session, sections, last.cause, last.inputs, first.epoch, first.research)


def join(sections: list[Section]) -> Section:
    """One section of several of one kind that follow each other.

    Raises:
        Bug: their ordinals do not go on without a gap.
    """
    if len(sections) == 1:
        return sections[0]
    following = sections[0].ordinal
    for section in sections:
        if section.ordinal != following:
            raise Bug(f"{section.kind.name} rows go on at ordinal {section.ordinal}, not at {following}.")
        following += len(section.rows)
    rows: Rows = np.concatenate([section.rows for section in sections])
    return Section(sections[0].kind, rows, sections[0].ordinal)
