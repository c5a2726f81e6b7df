"""Imports: a feed becomes a complete recording, once. The same content again appends nothing.

An import that was killed is resumed behind its last frame: rows that stand on the tape are read from the feed again
(and hashed), not appended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np

from engine import catalogue
from engine.feeds.feed import Description, Feed
from engine.feeds.hashing import ContentHash
from engine.recordings import shelf
from engine.recordings.recorder import PROGRESS_SECONDS, tell_progress
from engine.recordings.segments import Segments
from engine.recordings.shelf import Recording, RecordingState
from engine.sessions.progress import ProgressTimes
from events import codec, frames, subjects
from events.clock import Clock
from events.errors import Conflict
from events.facts import Place, RecordingCompleted, RecordingOpened
from events.frames import NEWEST, Section
from events.rows import ROW_DTYPES, Rows, SectionKind
from events.tape import CONTENT_TYPE, FRAME_TYPE, Append, Tape

BATCH_FRAMES = 64  # frames between two looks at progress

Progress = Callable[[int, int | None], None]  # rows so far, rows in all where known


class Imported(msgspec.Struct, frozen=True):
    """What an import came to. `appended` counts rows that were new on the tape."""

    recording: Recording
    appended: int
    rows: int


@dataclass(frozen=True, slots=True)
class Importer:
    """Imports feeds into one tape."""

    tape: Tape
    clock: Clock
    segments: Segments | None = None
    user: str = "system"
    progress: Progress = field(default=lambda done, total: None)
    progress_seconds: float = PROGRESS_SECONDS

    async def run(self, feed: Feed, content_id: str, description: str, origin: str = "import") -> Imported:
        """The recording of a feed's content.

        Raises:
            FeedError: the feed cannot be read; nothing was appended.
            Conflict: another process imports the same content now.
        """
        known = await shelf.load(self.tape)
        name = known.by_content.get(content_id)
        recording = known.recordings[name] if name else None
        if recording is not None and recording.state is RecordingState.COMPLETE:
            return Imported(recording, 0, recording.whole().rows)
        told = await asyncio.to_thread(feed.survey)
        _, numbers = await catalogue.register(self.tape, list(told.instruments))
        if recording is None:
            recording = await self._open(told, numbers, content_id, description, origin)
        return await self._append(recording, feed, told, numbers)

    async def _open(
        self, told: Description, numbers: list[int], content_id: str, description: str, origin: str
    ) -> Recording:
        name = f"rec_{content_id[:16]}"
        fact = RecordingOpened(
            recording=name,
            source=f"import-{content_id[:16]}",
            origin=origin,  # type: ignore[arg-type]
            description=description,
            instruments=tuple(numbers),
            symbols=tuple(form.symbol for form in told.instruments),
            kinds=told.kinds,
            section=told.section,
            designated=told.designated,
            mapping=told.mapping,
            content_id=content_id,
            user=self.user,
            opened_ns=self.clock.now_ns(),
        )
        subject = subjects.recording(name)
        append = codec.to_append(fact, subject, f"{name}:opened", expected=0, fence=subject)
        sequence = await self.tape.append(append)
        return Recording(opened=fact, opened_at=sequence, last=sequence)

    async def _append(self, recording: Recording, feed: Feed, told: Description, numbers: list[int]) -> Imported:
        number = {form: numbers[at] for at, form in enumerate(told.instruments)}
        work = _Work(recording, self.segments)
        held = await self.tape.last(subjects.market(recording.opened.source))
        if held is not None:
            work.resume(frames.decode(held.body, held.sequence)[0], held.sequence)
        times = ProgressTimes(self.clock, self.progress_seconds)
        pieces = _frames(feed.chunks(lambda form: number[form]), self.tape.limits.frame_bytes_max, work)
        try:
            while batch := await asyncio.to_thread(work.batch, pieces):
                sequences = await self.tape.append_bulk(batch)
                await asyncio.to_thread(work.confirmed, sequences, self.clock.now_ns())
                self.progress(work.hash.rows, told.rows)
                if times.due(work.written):
                    await tell_progress(self.tape, recording.id, work.written)
            return await self._complete(recording, work, told)
        finally:
            work.drop()

    async def _complete(self, recording: Recording, work: _Work, told: Description) -> Imported:
        page = await self.tape.page(recording.opened_at, subjects=(subjects.market(recording.opened.source),), limit=1)
        if not page.messages or work.held > work.hash.rows:
            raise Conflict(f"Recording {recording.id} holds other rows than this feed.", field="recording")
        subject = subjects.recording(recording.id)
        fact = RecordingCompleted(
            recording=recording.id,
            rows=work.hash.rows,
            first=Place(page.messages[0].sequence, 0),
            last=Place(work.last_sequence, work.last_rows - 1),
            first_event_ns=work.first_ns,
            last_event_ns=work.last_ns,
            content_hash=work.hash.hexdigest(),
            completed_ns=self.clock.now_ns(),
            findings=tuple(
                f"{finding.code}: {finding.count}" for report in told.reports for finding in report.findings
            ),
        )
        sequence = await self.tape.append(
            codec.to_append(fact, subject, f"{recording.id}:completed", expected=recording.last, fence=subject)
        )
        await asyncio.to_thread(work.close)
        done = msgspec.structs.replace(recording, state=RecordingState.COMPLETE, completed=fact, last=sequence)
        return Imported(done, fact.rows - work.held, fact.rows)


class _Work:
    """Where an import stands: rows hashed, rows held by the tape before it began, frames in flight."""

    def __init__(self, recording: Recording, segments: Segments | None) -> None:
        self.source = recording.opened.source
        self.kind = SectionKind.BAR if recording.opened.section == "bar" else SectionKind.MARKET
        self.hash = ContentHash()
        self.held = 0
        self.written = 0  # rows on the tape
        self.expected = 0
        self.last_sequence = 0
        self.last_rows = 0
        self.first_ns = 0
        self.last_ns = 0
        self._folder = segments
        self._segments = segments.writer(self.source) if segments else None
        self._flight: list[Rows] = []

    def resume(self, last: Section, sequence: int) -> None:
        """The tape holds rows up to and with this section; segments go on behind it."""
        self.held = self.written = last.ordinal + len(last.rows)
        self.expected = self.last_sequence = sequence
        self.last_rows = len(last.rows)
        self._segments = self._folder.writer(self.source, sequence) if self._folder else None

    def batch(self, pieces: Iterator[tuple[int, Rows]]) -> list[Append]:
        """The next frames to append; empty at the end."""
        self._flight = []
        found: list[Append] = []
        for ordinal, rows in pieces:
            first = not found
            found.append(self._frame(ordinal, rows, self.expected if first else None))
            self._flight.append(rows)
            if len(found) >= BATCH_FRAMES:
                break
        return found

    def _frame(self, ordinal: int, rows: Rows, expected: int | None) -> Append:
        subject = subjects.market(self.source)
        return Append(
            subject,
            frames.encode([Section(self.kind, rows, ordinal)]),
            f"{self.source}:{ordinal}",
            {CONTENT_TYPE: FRAME_TYPE},
            expected,
            subject if expected is not None else None,
        )

    def confirmed(self, sequences: list[int], now_ns: int) -> None:
        """The batch stands on the tape."""
        self.expected = self.last_sequence = sequences[-1]
        self.last_rows = len(self._flight[-1])
        self.written += sum(len(rows) for rows in self._flight)
        if self._segments is not None:
            for sequence, rows in zip(sequences, self._flight, strict=True):
                if (full := self._segments.add(sequence, self.kind, rows, now_ns)) is not None:
                    full.keep()

    def close(self) -> None:
        """Write the last segment."""
        if self._segments is not None and (full := self._segments.close()) is not None:
            full.keep()

    def drop(self) -> None:
        """Forget the rows of a segment that was not written."""
        if self._segments is not None:
            self._segments.drop()

    def note(self, rows: Rows) -> None:
        """Hash the next rows of the feed, and keep the first and last event time."""
        self.first_ns = self.first_ns if self.hash.rows else int(rows["ts_event_ns"][0])
        self.last_ns = int(rows["ts_event_ns"][-1])
        self.hash.add(rows)


def _frames(chunks: Iterator[Rows], bytes_max: int, work: _Work) -> Iterator[tuple[int, Rows]]:
    """(ordinal, rows) of full frames behind what the tape holds; all rows pass `work.note`."""
    size = bytes_max // ROW_DTYPES[work.kind, NEWEST[work.kind]].itemsize
    rest: list[Rows] = []
    have = 0
    for chunk in chunks:
        begin = work.hash.rows
        work.note(chunk)
        fresh = chunk[max(0, work.held - begin) :]
        if not len(fresh):
            continue
        rest.append(fresh)
        have += len(fresh)
        if have >= size:
            rows = np.concatenate(rest)
            end = work.hash.rows - have
            whole = have // size * size
            for at in range(0, whole, size):
                yield end + at, rows[at : at + size]
            rest, have = [rows[whole:]], have - whole
    if have:
        yield work.hash.rows - have, np.concatenate(rest)
