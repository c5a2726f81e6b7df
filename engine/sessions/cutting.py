"""Where steps are cut, and a long step's decisions into several messages: what one row decides stays whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.recordings.reading import RowsInput
from engine.sessions.decider import Decider
from events.errors import Bug
from events.facts import Place, StepOverran
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


def careful(item: RowsInput, at: int, end: int, decider: Decider, overruns: Sequence[StepOverran]) -> int:
    """How many of the rows one step may read: where a step overran, each row alone, so that the one is found."""
    size, inputs = end - at, decider.inputs
    for overrun in overruns:
        if inputs < overrun.first_input:
            size = min(size, decider.rows_until(item.rows[at:end], overrun.first_input, item.kind))
        elif inputs < overrun.last_input:
            size = min(size, 1)
    return size


def read_with(decider: Decider, item: RowsInput, stretch: tuple[int, int], read: int) -> Place | None:
    """Place of the row with which `read` inputs of the last stretch were read; None where that is before it."""
    at, end = stretch
    return item.place(at + decider.read_at(item.rows[at:end], read, item.kind)) if read > 0 else None


def _side(sections: tuple[Section, ...], border: int, *, below: bool) -> tuple[Section, ...]:
    found = []
    for section in sections:
        at = int(np.searchsorted(section.rows["input"], border))
        rows, ordinal = (section.rows[:at], section.ordinal) if below else (section.rows[at:], section.ordinal + at)
        if len(rows):
            found.append(Section(section.kind, rows, ordinal))
    return tuple(found)
