"""Reading the rows of a recording by reference: from columnar segments where there are some, else from the tape."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from engine.recordings.segments import Segment, Segments
from events import frames, subjects
from events.errors import TapeRefused, Undecodable
from events.facts import Place
from events.rows import Rows, SectionKind
from events.tape import Message, Tape


class RowsInput(msgspec.Struct, frozen=True):
    """Rows of one message (or part of one, or of several behind each other in a segment) in order.

    `kind` is MARKET or BAR. `places` gives the sequence of each message and how many of the rows are its own;
    `first_index` is the index of the first row in the first of these messages.
    """

    kind: SectionKind
    rows: Rows
    first_index: int
    places: tuple[tuple[int, int], ...]

    def place(self, row: int) -> Place:
        """Place on the tape of the `row`-th row."""
        before = 0
        index = self.first_index
        for sequence, count in self.places:
            if row < before + count:
                return Place(sequence, index + row - before)
            before += count
            index = 0
        raise IndexError(row)

    @property
    def last(self) -> Place:
        """Place of its last row."""
        return self.place(len(self.rows) - 1)


def rows_of_message(message: Message, after: Place) -> list[RowsInput]:
    """The market rows of a message behind `after`.

    Raises:
        Undecodable: a frame of a source with sections that are no market rows.
    """
    found: list[RowsInput] = []
    index = 0
    for section in frames.decode(message.body, message.sequence):
        if section.kind not in (SectionKind.MARKET, SectionKind.BAR):
            raise Undecodable(
                f"Message {message.sequence} of a source holds {section.kind.name} rows.", sequence=message.sequence
            )
        skip = max(0, after.index + 1 - index) if message.sequence == after.sequence else 0
        if skip < len(section.rows):
            rows = section.rows[skip:]
            found.append(RowsInput(section.kind, rows, index + skip, ((message.sequence, len(rows)),)))
        index += len(section.rows)
    return found


class Window(msgspec.Struct, frozen=True):
    """A stretch of a source: rows from `first` to `last`, both included, that come behind `after`."""

    source: str
    first: Place
    last: Place
    after: Place = Place()


class RecordingReader:
    """Reads windows of sources. `segments` may be None: then everything comes from the tape."""

    def __init__(self, tape: Tape, segments: Segments | None = None) -> None:
        self._tape = tape
        self._segments = segments

    async def read(self, window: Window) -> AsyncIterator[RowsInput]:
        """All rows of the window in order.

        Raises:
            TapeRefused: the tape ends before the window does.
        """
        after = max(window.after, Place(window.first.sequence, window.first.index - 1))
        reached = after
        for segment in self._segments.covering(window.source, window.first.sequence) if self._segments else []:
            if segment.first > max(reached.sequence, window.first.sequence) and not self._follows(reached, segment):
                break
            for one in _of_segment(segment, reached, window.last):
                yield one
                reached = one.last
            if reached >= window.last:
                return
        async for one in self._from_tape(window, reached):
            yield one
            reached = one.last
        if reached < window.last:
            raise TapeRefused(
                f"Source {window.source} ends at row {reached.sequence}.{reached.index}, before the window's last row "
                f"{window.last.sequence}.{window.last.index}.",
                sequence=reached.sequence,
                hint="Run `tapedeck doctor`.",
            )

    @staticmethod
    def _follows(reached: Place, segment: Segment) -> bool:
        return segment.follows == reached.sequence

    async def _from_tape(self, window: Window, reached: Place) -> AsyncIterator[RowsInput]:
        wanted = (subjects.market(window.source),)
        start = max(1, reached.sequence)
        async for message in self._tape.read(start, subjects=wanted, end=window.last.sequence):
            for one in rows_of_message(message, reached):
                yield _cut(one, window.last)


def _cut(one: RowsInput, last: Place) -> RowsInput:
    """Without the rows behind `last`; all of `one` lies in one message."""
    sequence, count = one.places[0]
    keep = count if sequence < last.sequence else max(0, last.index + 1 - one.first_index)
    if keep >= count:
        return one
    return RowsInput(one.kind, one.rows[:keep], one.first_index, ((sequence, keep),))


def _of_segment(segment: Segment, reached: Place, last: Place) -> list[RowsInput]:
    """The rows of a segment behind `reached` and up to `last`, as one input."""
    first_row = segment.rows_through(reached)
    end_row = segment.rows_through(last)
    if end_row <= first_row:
        return []
    places, first_index = segment.places(first_row, end_row)
    return [RowsInput(segment.kind, segment.rows[first_row:end_row], first_index, places)]
