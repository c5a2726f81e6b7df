"""The recording of a collect session: its stretch of the source and its instruments, whoever else tails the source.

It is told when the session ends, and has the session's id.
"""

from __future__ import annotations

import msgspec
import numpy as np

from engine.feeds.hashing import ContentHash
from engine.recordings import shelf
from engine.recordings.reading import RecordingReader, RowsInput, Window
from events import codec, subjects
from events.errors import FenceLost
from events.facts import Place, RecordingAbandoned, RecordingCompleted, RecordingOpened, SessionSpec
from events.tape import Tape


class Collected:
    """What a collect session has read of its instruments."""

    def __init__(self, spec: SessionSpec, opened_ns: int) -> None:
        self._spec = spec
        self._opened_ns = opened_ns
        self._numbers = np.array([one.number for one in spec.instruments], np.int32)
        self._hash = ContentHash()
        self._first: Place | None = None
        self._last = Place()
        self._times = (0, 0)

    @property
    def rows(self) -> int:
        """How many so far."""
        return self._hash.rows

    def add(self, one: RowsInput) -> None:
        """Rows of the source, in order."""
        mine = np.flatnonzero(np.isin(one.rows["instrument"], self._numbers))
        if not len(mine):
            return
        rows = one.rows[mine]
        begun = self._times[0] if self._first else int(rows["ts_event_ns"][0])
        self._times = (begun, int(rows["ts_event_ns"][-1]))
        self._first, self._last = self._first or one.place(int(mine[0])), one.place(int(mine[-1]))
        self._hash.add(rows)

    async def read_again(self, reader: RecordingReader, after: int, last: Place) -> None:
        """What another process of this session had read: the rows behind sequence `after`, up to `last`."""
        if last.sequence > after:
            async for one in reader.read(Window(self._spec.input.source, Place(after + 1, 0), last)):
                self.add(one)

    async def keep(self, tape: Tape, now_ns: int) -> None:
        """Tell the recording, whole; one without rows is abandoned. Told before, it stays as it is."""
        name = self._spec.session
        subject = subjects.recording(name)
        opened = codec.to_append(
            await self._opened(tape), subject, f"collected:{name}:opened", expected=0, fence=subject
        )
        ended = codec.to_append(self._ended(now_ns), subject, f"collected:{name}:completed")
        try:
            await tape.append_atomic([opened, ended])
        except FenceLost:  # by the process that ended before it could tell the session's end
            return

    async def _opened(self, tape: Tape) -> RecordingOpened:
        source = self._spec.input.source
        fact = RecordingOpened(
            recording=self._spec.session,
            source=source,
            origin="collect",
            description=self._spec.name or f"collected of source {source}",
            instruments=tuple(one.number for one in self._spec.instruments),
            symbols=tuple(one.symbol for one in self._spec.instruments),
            kinds=(),
            user=self._spec.user,
            opened_ns=self._opened_ns,
            session=self._spec.session,
        )
        known = reversed((await shelf.load(tape)).recordings.values())
        for run in (one.opened for one in known if one.opened.source == source and one.opened.origin != "collect"):
            how = {name: getattr(run, name) for name in ("kinds", "section", "designated", "mapping")}
            return msgspec.structs.replace(fact, **how)
        return fact

    def _ended(self, now_ns: int) -> RecordingCompleted | RecordingAbandoned:
        name = self._spec.session
        if self._first is None:
            return RecordingAbandoned(recording=name, reason="no rows of its instruments came")
        return RecordingCompleted(
            recording=name,
            rows=self._hash.rows,
            first=self._first,
            last=self._last,
            first_event_ns=self._times[0],
            last_event_ns=self._times[1],
            content_hash=self._hash.hexdigest(),
            completed_ns=now_ns,
        )
