"""The recorder of a live source: opens a recording, group-commits its rows, completes it. One writer per source."""

from __future__ import annotations

import asyncio
import contextlib

import numpy as np
import structlog

from engine.feeds.hashing import ContentHash
from engine.recordings.segments import Full, SegmentWriter, warm_up
from events import codec, frames, subjects
from events.clock import Clock
from events.errors import OperatingError
from events.facts import Place, RecordingAbandoned, RecordingCompleted, RecordingOpened, RecordingProgressed
from events.families import MarketFamily
from events.frames import Section
from events.rows import Rows, SectionKind
from events.tape import Tape
from events.writer import FencedWriter, WriterLimits

PROGRESS_SECONDS = 5.0  # between two tellings of how many rows there are
WRITES_MAX = 2  # full segments (64 MB each) on their way to the disk

log = structlog.get_logger(__name__)


async def tell_progress(tape: Tape, recording: str, rows: int) -> None:
    """Tell how many rows of an open recording are on the tape. What cannot be told is left out: the rows are safe."""
    fact = RecordingProgressed(recording=recording, rows=rows)
    subject = subjects.recording_progress(recording)
    try:
        await tape.append(codec.to_append(fact, subject, f"{recording}:progress:{rows}"))
    except OperatingError as error:
        log.warning("progress_not_told", recording=recording, error=str(error))


class Recorder:
    """Writes one recording of one source. Rows that `put` took are on the tape when `complete` returned."""

    def __init__(
        self,
        tape: Tape,
        clock: Clock,
        opened: RecordingOpened,
        *,
        segments: SegmentWriter | None = None,
        limits: WriterLimits | None = None,
        progress_seconds: float = PROGRESS_SECONDS,
    ) -> None:
        self._tape = tape
        self._clock = clock
        self.opened = opened
        self._segments = segments
        self._writes: list[asyncio.Task[object]] = []
        self._limits = limits
        self._kind = SectionKind.BAR if opened.section == "bar" else SectionKind.MARKET
        self._hash = ContentHash()
        self._first: Place | None = None
        self._last = Place()
        self._times = (0, 0)
        self.rows = 0
        self._written = 0  # of them on the tape
        self._progress_seconds = progress_seconds
        self._ending = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Append `RecordingOpened` and stand behind the source's last row.

        Raises:
            FenceLost: the recording exists.
        """
        subject = subjects.recording(self.opened.recording)
        last = await self._tape.last(subjects.market(self.opened.source))
        if self._segments is not None:
            await asyncio.to_thread(warm_up)  # machine code takes longer to load than a row may wait
        self._ordinal = 0
        if last is not None:
            section = frames.decode(last.body, last.sequence)[0]
            self._ordinal = section.ordinal + len(section.rows)
        self._opened_at = await self._tape.append(
            codec.to_append(self.opened, subject, f"{self.opened.recording}:opened", expected=0, fence=subject)
        )
        self._writer: FencedWriter[Section] = FencedWriter(
            self._tape,
            MarketFamily(self.opened.source),
            last.sequence if last else 0,
            limits=self._limits,
            clock=self._clock,
            confirmed=self._confirmed,
        )
        self._telling = asyncio.create_task(self._tell())

    async def put(self, rows: Rows) -> None:
        """The next rows, in order of arrival; waits only while the writer's queue, or the disk, is full with them.

        Raises: as the writer.
        """
        if not len(rows):
            return
        if len(self._writes) >= WRITES_MAX:
            await self._writes.pop(0)
        self._times = (self._times[0] if self.rows else int(rows["ts_event_ns"][0]), int(rows["ts_event_ns"][-1]))
        self._hash.add(rows)
        self.rows += len(rows)
        size = self._tape.limits.frame_bytes_max // rows.dtype.itemsize
        for at in range(0, len(rows), size):
            part = rows[at : at + size]
            section = Section(self._kind, part, self._ordinal)
            self._ordinal += len(part)
            await self._writer.put(section)

    async def flush(self) -> int:
        """Wait until all rows so far are on the tape; the last sequence of the source."""
        return await self._writer.flush()

    def _confirmed(self, sections: list[Section], sequence: int) -> None:
        rows = sections[0].rows if len(sections) == 1 else np.concatenate([one.rows for one in sections])
        self._first = self._first or Place(sequence, 0)
        self._last = Place(sequence, len(rows) - 1)
        self._written += len(rows)
        if self._segments is not None:
            self._gather(sequence, rows)

    async def _tell(self) -> None:
        """How many rows are on the tape, now and then and only what is new."""
        told = 0
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._progress_seconds):
                    await self._ending.wait()
            if self._ending.is_set() or self._written == told:
                continue
            told = self._written
            await tell_progress(self._tape, self.opened.recording, told)

    def _gather(self, sequence: int, rows: Rows) -> None:
        assert self._segments is not None, "asked before"
        try:
            self._keep(self._segments.add(sequence, self._kind, rows, self._clock.now_ns()))
        except OSError as error:
            log.warning("segment_not_written", source=self.opened.source, error=str(error))
            self._segments.drop()
            self._segments = None

    def _keep(self, full: Full | None) -> None:
        """Put a full segment in its place beside the loop: syncing 64 MB is too long for it."""
        if full is not None:
            self._writes.append(asyncio.get_running_loop().create_task(asyncio.to_thread(full.keep)))

    async def complete(self) -> RecordingCompleted | RecordingAbandoned:
        """End the recording; one without rows is abandoned. Raises as the writer: then it stays open."""
        self._ending.set()
        try:
            await self._told()
            return await self._complete()
        finally:
            if self._segments is not None:  # it holds rows that are on the tape, and no others
                self._keep(self._segments.close())
            for write in self._writes:
                await write

    async def _told(self) -> None:
        """Until nothing more is told. Whatever ended the telling does not keep the recording open."""
        try:
            if self._telling is not None:
                await self._telling
        except Exception:
            log.exception("progress_not_told", recording=self.opened.recording)

    async def _complete(self) -> RecordingCompleted | RecordingAbandoned:
        await self.flush()
        await self._writer.close()
        name = self.opened.recording
        fact: RecordingCompleted | RecordingAbandoned
        if self._first is None:
            fact = RecordingAbandoned(recording=name, reason="no rows came")
        else:
            fact = RecordingCompleted(
                recording=name,
                rows=self.rows,
                first=self._first,
                last=self._last,
                first_event_ns=self._times[0],
                last_event_ns=self._times[1],
                content_hash=self._hash.hexdigest(),
                completed_ns=self._clock.now_ns(),
            )
        subject = subjects.recording(name)
        await self._tape.append(
            codec.to_append(fact, subject, f"{name}:completed", expected=self._opened_at, fence=subject)
        )
        log.info("recording_ended", recording=name, source=self.opened.source, rows=self.rows)
        return fact
