"""One run of a source: its rows, paced, into one recording. A recording that a killed run left open is ended first."""

from __future__ import annotations

import asyncio

import numpy as np
import structlog

from engine import catalogue
from engine.feeds.feed import Feed
from engine.feeds.hashing import ContentHash
from engine.feeds.simulated import SimulatedFeed
from engine.recordings import shelf
from engine.recordings.reading import rows_of_message
from engine.recordings.recorder import Recorder
from engine.recordings.segments import Segments
from engine.recordings.shelf import Recording, RecordingState
from engine.sessions.pace import Pace, running_times
from engine.sources.going_on import gone_on
from engine.sources.source import Source, feed_of
from events import codec, subjects
from events.clock import NS_PER_SECOND, Clock, iso
from events.facts import Place, RecordingAbandoned, RecordingCompleted, RecordingOpened
from events.rows import Rows
from events.tape import Tape

log = structlog.get_logger(__name__)


class SourceRun:
    """A source that runs. `stop` ends it in order; its recording is complete when `run` returned."""

    def __init__(self, tape: Tape, clock: Clock, source: Source, segments: Segments | None, session: str = "") -> None:
        self._tape = tape
        self._clock = clock
        self.source = source
        self._segments = segments
        self._session = session
        self.stopping = False  # told to; one that was not and returned gave all its rows
        self._pace = Pace(clock, source.acceleration)
        self._start_ns = 0
        self.recording = recording_name(clock)
        self.rows = 0

    def stop(self) -> None:
        """No more rows."""
        self.stopping = True

    async def run(self) -> RecordingCompleted | RecordingAbandoned:
        """Play the source to its end or until `stop`. Raises FeedError, and what the writer raises."""
        await settle(self._tape, self._clock, self.source.id)
        feed = await self._feed()
        recorder = await self._open(feed)
        try:
            self._start_ns = self._clock.monotonic_ns()
            description = feed.survey()
            numbers = {form: self._numbers[at] for at, form in enumerate(description.instruments)}
            chunks = feed.chunks(lambda form: numbers[form])
            field = f"ts_{description.designated}_ns"
            while not self.stopping and (rows := await asyncio.to_thread(next, chunks, None)) is not None:
                await self._play(recorder, rows, running_times(rows[field]))
        finally:
            ended = await recorder.complete()
        return ended

    async def _feed(self) -> Feed:
        """What the source plays; an endless market goes on behind its rows on the tape."""
        now_ns = self._clock.now_ns()
        feed = await asyncio.to_thread(feed_of, self.source, now_ns)
        if not (isinstance(feed, SimulatedFeed) and self.source.market == "endless"):
            return feed
        market = await gone_on(self._tape, self.source.id, feed.market, now_ns)
        if market.after_ns:
            self._pace.gave(market.start_ns + market.after_ns, now_ns)
        return SimulatedFeed(market)

    async def _play(self, recorder: Recorder, rows: Rows, times_ns: np.ndarray) -> None:
        """Give the rows of a chunk as they fall due."""
        at = 0
        while at < len(rows) and not self.stopping:
            due = len(rows) - at if self._paced_out() else self._pace.due(times_ns[at:])
            if due:
                await recorder.put(rows[at : at + due])
                at += due
                self.rows = recorder.rows
            else:
                await self._pace.wait(int(times_ns[at]))

    def _paced_out(self) -> bool:
        """Whether the paced part is over."""
        seconds = self.source.paced_seconds
        elapsed_ns = self._clock.monotonic_ns() - self._start_ns
        return self._pace.free or (seconds > 0 and elapsed_ns >= seconds * NS_PER_SECOND)

    async def _open(self, feed: Feed) -> Recorder:
        told = await asyncio.to_thread(feed.survey)
        _, self._numbers = await catalogue.register(self._tape, list(told.instruments), self.source.id)
        opened = RecordingOpened(
            recording=self.recording,
            source=self.source.id,
            origin=self.source.origin,  # type: ignore[arg-type]
            description=f"source {self.source.id}",
            instruments=tuple(self._numbers),
            symbols=tuple(form.symbol for form in told.instruments),
            kinds=told.kinds,
            section=told.section,
            designated=told.designated,
            mapping=told.mapping,
            opened_ns=self._clock.now_ns(),
            session=self._session or None,
        )
        last = await self._tape.last(subjects.market(self.source.id))
        segments = self._segments.writer(self.source.id, last.sequence if last else 0) if self._segments else None
        recorder = Recorder(self._tape, self._clock, opened, segments=segments)
        await recorder.open()
        return recorder


def recording_name(clock: Clock) -> str:
    """Like session_20251118_120530_abc123: the moment, and what makes it unique."""
    stamp = iso(clock.now_ns())[:19].replace("-", "").replace(":", "").replace("T", "_")
    return f"session_{stamp}_{clock.new_id()[-6:]}"


async def settle(tape: Tape, clock: Clock, source: str) -> list[str]:
    """Complete recordings that a killed run of the source left open, with the rows that are on the tape."""
    known = await shelf.load(tape)
    left = [
        one
        for one in known.recordings.values()
        if one.opened.source == source and one.state is RecordingState.OPEN and one.opened.origin != "import"
    ]
    for recording in left:
        fact = await _as_it_stands(tape, clock, recording)
        subject = subjects.recording(recording.id)
        await tape.append(
            codec.to_append(fact, subject, f"{recording.id}:completed", expected=recording.last, fence=subject)
        )
        log.warning("recording_settled", recording=recording.id, source=source, kind=type(fact).__name__)
    return [one.id for one in left]


async def _as_it_stands(tape: Tape, clock: Clock, recording: Recording) -> RecordingCompleted | RecordingAbandoned:
    whole = ContentHash()
    first, last, times = None, Place(), (0, 0)
    async for message in tape.read(recording.opened_at, subjects=(subjects.market(recording.opened.source),)):
        for one in rows_of_message(message, Place()):
            times = (times[0] if whole.rows else int(one.rows["ts_event_ns"][0]), int(one.rows["ts_event_ns"][-1]))
            whole.add(one.rows)
            first, last = first or one.place(0), one.last
    if first is None:
        return RecordingAbandoned(recording=recording.id, reason="its source was killed before a row came")
    return RecordingCompleted(
        recording=recording.id,
        rows=whole.rows,
        first=first,
        last=last,
        first_event_ns=times[0],
        last_event_ns=times[1],
        content_hash=whole.hexdigest(),
        completed_ns=clock.now_ns(),
        findings=("ENDED_BY_FAILURE: 1",),
    )
