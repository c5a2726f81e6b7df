"""Reading recordings: the rows are the tape's, whatever segments there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.recordings import segments as segments_module
from engine.recordings.importing import Importer
from engine.recordings.reading import RecordingReader, Window
from engine.recordings.recorder import Recorder
from engine.recordings.segments import Found, Segment, Segments
from events import frames
from events.clock import SystemClock
from events.facts import Place, RecordingOpened
from events.memory_tape import MemoryTape
from events.tape import Limits
from tests.engine.sessions.memory_house import ArrayFeed, walk

SOURCE = "live"
ROWS = 6_000
WINDOWS = 60


class Recorded:
    """A tape with one source in three recordings, its frames small and uneven, and its segments."""

    def __init__(self, folder: Path) -> None:
        self.tape = MemoryTape(limits=Limits(frame_bytes_max=48 * 97))
        self.segments = Segments(folder, self.tape._store.epoch)
        self.places: list[Place] = []  # of every row

    async def fill(self) -> None:
        """Record."""
        chance = np.random.Generator(np.random.Philox(3))
        rows, at = walk(ROWS), 0
        for number in range(3):
            last = await self.tape.last(f"tape.market.{SOURCE}")
            opened = RecordingOpened(
                recording=f"r{number}",
                source=SOURCE,
                origin="simulated",
                description="",
                instruments=(1,),
                symbols=("A",),
                kinds=("trade",),
            )
            writer = self.segments.writer(SOURCE, last.sequence if last else 0)
            recorder = Recorder(self.tape, SystemClock(), opened, segments=writer)
            await recorder.open()
            for _ in range(120):
                count = int(chance.choice([1, 1, 2, 5, 40]))
                await recorder.put(rows[at : at + count])
                at += count
                if chance.random() < 0.3:
                    await recorder.flush()
            await recorder.complete()
        async for message in self.tape.read(1, subjects=(f"tape.market.{SOURCE}",)):
            for section in frames.decode(message.body):
                self.places += [Place(message.sequence, index) for index in range(len(section.rows))]

    @property
    def whole(self) -> Window:
        """All rows."""
        return Window(SOURCE, self.places[0], self.places[-1])

    def window(self, chance: np.random.Generator) -> Window:
        """Some window, half of them resumed in the middle."""
        first, after, last = sorted(chance.choice(len(self.places), 3, replace=False).tolist())
        resumed = self.places[after] if chance.random() < 0.5 else Place()
        return Window(SOURCE, self.places[first], self.places[last], resumed)

    async def read(self, window: Window, segments: Segments | None) -> tuple[bytes, list[Place]]:
        """The rows of a window, and the place of each."""
        rows, places = b"", []
        async for one in RecordingReader(self.tape, segments).read(window):
            rows += one.rows.tobytes()
            places += [one.place(row) for row in range(len(one.rows))]
        return rows, places


@pytest.fixture
async def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """A recorded source with many small segments."""
    monkeypatch.setattr(segments_module, "SEGMENT_BYTES_MAX", 48 * 300)
    made = Recorded(tmp_path / "segments")
    await made.fill()
    assert len(list(made.segments.folder.rglob("*.index"))) > 5
    return made


async def test_rows_are_the_tapes_whatever_is_missing(recorded: Recorded, tmp_path: Path) -> None:
    """Windows that begin or go on in the middle of a message give every row, though segments are deleted or damaged."""
    chance = np.random.Generator(np.random.Philox(4))
    for number in range(WINDOWS):
        window = recorded.window(chance)
        left = Segments(tmp_path / str(number), recorded.segments.epoch)
        (left.folder / SOURCE).mkdir(parents=True)
        for index in sorted(recorded.segments.folder.rglob("*.index")):
            if chance.random() < 0.4:
                continue
            rows = index.with_suffix(".rows").read_bytes()
            if chance.random() < 0.2:
                rows = rows[:-48] + bytes(48)
            (left.folder / SOURCE / index.name).write_bytes(index.read_bytes())
            (left.folder / SOURCE / index.name).with_suffix(".rows").write_bytes(rows)
        expected = await recorded.read(window, None)
        assert await recorded.read(window, left) == expected, window
        assert await recorded.read(window, left) == expected, window  # now from what the first reading wrote


async def test_a_reading_writes_what_is_missing(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a replay without segments the next one reads none of the source's messages."""
    anew = Segments(recorded.segments.folder.parent / "anew", recorded.segments.epoch)
    expected = await recorded.read(recorded.whole, anew)
    monkeypatch.setattr(recorded.tape, "read", None)
    assert await recorded.read(recorded.whole, anew) == expected


async def test_only_what_is_needed_is_opened(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window opens the segments that its sequences lie in, and each is summed once."""
    opened: list[Found] = []
    as_it_is = Segments._opened

    def noted(self: Segments, found: Found) -> Segment | None:
        opened.append(found)
        return as_it_is(self, found)

    monkeypatch.setattr(Segments, "_opened", noted)
    window = Window(SOURCE, recorded.places[1_000], recorded.places[1_020])
    for _ in range(2):
        await recorded.read(window, recorded.segments)
    assert 1 <= len(opened) <= 2
    assert all(one.first <= window.last.sequence and one.last >= window.first.sequence for one in opened)


async def test_a_resumed_import_goes_on_with_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed import left without segments is written by the first reading; behind it they are there."""
    monkeypatch.setattr(segments_module, "SEGMENT_BYTES_MAX", 48 * 500)
    tape = MemoryTape(limits=Limits(frame_bytes_max=48 * 97))
    segments = Segments(tmp_path, tape._store.epoch)
    rows = walk(9_000)

    class Killed(ArrayFeed):
        def chunks(self, number):  # type: ignore[no-untyped-def]
            whole = next(iter(super().chunks(number)))
            yield whole[:7_000]
            raise KeyboardInterrupt

    importer = Importer(tape, SystemClock(), segments)
    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        await importer.run(Killed(rows), "c" * 32, "x")  # type: ignore[arg-type]
    done = await importer.run(ArrayFeed(rows), "c" * 32, "x")  # type: ignore[arg-type]
    assert done.rows == 9_000
    whole = done.recording.whole()
    window = Window(done.recording.opened.source, whole.first, whole.last)
    assert segments.named(window.source, whole.first.sequence, whole.last.sequence)
    for _ in range(2):
        read = [one.rows async for one in RecordingReader(tape, segments).read(window)]
        assert np.concatenate(read)["price"].tobytes() == rows["price"].tobytes()
    monkeypatch.setattr(tape, "read", None)
    read = [one.rows async for one in RecordingReader(tape, segments).read(window)]
    assert sum(len(one) for one in read) == 9_000
