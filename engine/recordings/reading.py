"""Reading the rows of a recording by reference: from columnar segments where there are some, else from the tape."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec

from engine.recordings.segments import UNKNOWN, Found, Segment, Segments, SegmentWriter
from events import frames, subjects
from events.errors import TapeRefused, Undecodable
from events.facts import Place
from events.rows import Rows, SectionKind
from events.tape import Message, Tape


class RowsInput(msgspec.Struct, frozen=True):
    """Rows of one message (or part of one, or of several behind each other in a segment) in order.

    `kind` is MARKET or BAR. `places` gives the sequence of each message and how many of the rows are its own;
    `first_index` is the index of the first row in the first of these messages; `appended_ns` the tape's stamp of a
    message that a tail brought, 0 of what a recording holds.
    """

    kind: SectionKind
    rows: Rows
    first_index: int
    places: tuple[tuple[int, int], ...]
    appended_ns: int = 0

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
        """All rows of the window in order. What comes from the tape is written as segments for the next reading.

        Raises:
            TapeRefused: the tape ends before the window does.
        """
        reached = max(window.after, Place(window.first.sequence, window.first.index - 1))
        whole = UNKNOWN  # the source's message up to which every row was given, where it is known
        for found in await self._named(window):
            segment = await asyncio.to_thread(self._open, found)
            if segment is None or segment.end <= reached:
                continue
            if segment.first > reached.sequence and (whole == UNKNOWN or segment.follows != whole):
                async for one in self._from_tape(window, reached, whole, segment.first - 1):
                    yield one
                    reached = one.last
            for one in _of_segment(segment, reached, window.last):
                yield one
                reached = one.last
            whole = segment.last if reached == segment.end else UNKNOWN
            if reached >= window.last:
                return
        async for one in self._from_tape(window, reached, whole, window.last.sequence):
            yield one
            reached = one.last
        if reached < window.last:
            raise TapeRefused(
                f"Source {window.source} ends at row {reached.sequence}.{reached.index}, before the window's last row "
                f"{window.last.sequence}.{window.last.index}.",
                sequence=reached.sequence,
                hint="Run `tapedeck doctor`.",
            )

    async def _named(self, window: Window) -> list[Found]:
        if self._segments is None:
            return []
        first = max(window.first.sequence, window.after.sequence)
        return await asyncio.to_thread(self._segments.named, window.source, first, window.last.sequence)

    def _open(self, found: Found) -> Segment | None:
        assert self._segments is not None, "it was found among them"
        return self._segments.open(found)

    async def _from_tape(self, window: Window, reached: Place, whole: int, end: int) -> AsyncIterator[RowsInput]:
        """Rows behind `reached`, of messages up to and with `end`."""
        start = max(1, reached.sequence if whole == UNKNOWN else whole + 1)
        if start > end:
            return
        gathering = Gathering(self._segments.writer(window.source, whole) if self._segments is not None else None)
        try:
            async for message in self._tape.read(start, subjects=(subjects.market(window.source),), end=end):
                for one in rows_of_message(message, reached):
                    yield _cut(one, window.last)
                await gathering.add(message)
            await gathering.keep()
        finally:
            gathering.drop()


class Gathering:
    """The segments that a reading of the tape makes beside it; none where the disk, or a message, does not suit."""

    def __init__(self, writer: SegmentWriter | None) -> None:
        self._writer = writer

    async def add(self, message: Message) -> None:
        """The source's next message, whole."""
        if self._writer is None:
            return
        sections = frames.decode(message.body, message.sequence)
        try:
            if len(sections) != 1:
                raise OSError("a segment holds one section a message")
            full = self._writer.add(message.sequence, sections[0].kind, sections[0].rows, message.appended_ns)
        except OSError:
            self.drop()
            return
        if full is not None:
            await asyncio.to_thread(full.keep)

    async def keep(self) -> None:
        """The last one."""
        if self._writer is not None and (full := self._writer.close()) is not None:
            await asyncio.to_thread(full.keep)

    def drop(self) -> None:
        """No more, and nothing of what was not kept."""
        if self._writer is not None:
            self._writer.drop()
        self._writer = None


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
