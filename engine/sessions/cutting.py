"""A long step's decisions as several messages, cut between input rows: what one row decides stays whole."""

from __future__ import annotations

import numpy as np

from events.errors import Bug
from events.frames import Section

BYTES_MAX = 393_216  # of the rows of one message; the tape's bound of a body is far above


def size_of(sections: tuple[Section, ...]) -> int:
    """Bytes of the rows."""
    return sum(section.rows.nbytes for section in sections)


def cut(sections: tuple[Section, ...], bytes_max: int = BYTES_MAX) -> list[tuple[Section, ...]]:
    """The sections in order of input, in parts of at most `bytes_max`; one row's decisions may be above it.

    Raises:
        Bug: rows of a section that are not in order of input.
    """
    if size_of(sections) <= bytes_max:
        return [sections] if sections else []
    first = min(int(section.rows["input"][0]) for section in sections)
    last = max(int(section.rows["input"][-1]) for section in sections)
    if last < first:
        raise Bug("Decision rows are not in order of input.")
    if first == last:
        return [sections]
    largest = max(sections, key=lambda section: section.rows.nbytes)
    middle = int(largest.rows["input"][len(largest.rows) // 2])
    border = middle if middle > first else first + 1  # rows of inputs below it go to the first part
    return cut(_side(sections, border, below=True), bytes_max) + cut(_side(sections, border, below=False), bytes_max)


def last_input(sections: tuple[Section, ...]) -> int:
    """Ordinal of the last input that decided something."""
    return max(int(section.rows["input"][-1]) for section in sections)


def _side(sections: tuple[Section, ...], border: int, *, below: bool) -> tuple[Section, ...]:
    found = []
    for section in sections:
        at = int(np.searchsorted(section.rows["input"], border))
        rows, ordinal = (section.rows[:at], section.ordinal) if below else (section.rows[at:], section.ordinal + at)
        if len(rows):
            found.append(Section(section.kind, rows, ordinal))
    return tuple(found)
