"""The recorder of a source: rows in order, ordinals that go on, one recording at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.feeds.hashing import ContentHash
from engine.recordings.recorder import Recorder
from engine.recordings.segments import Segments
from events import codec, frames, subjects
from events.clock import SystemClock
from events.errors import Conflict, FenceLost, OutcomeUnknown
from events.facts import RecordingAbandoned, RecordingCompleted, RecordingOpened
from events.memory_tape import MemoryTape
from events.tape import Append, Limits
from events.writer import WriterLimits
from tests.engine.sessions.memory_house import until, walk

SMALL = Limits(frame_bytes_max=48 * 50)


class Untold(MemoryTape):
    """A tape on which how far a recording is cannot be told."""

    def __init__(self, error: Exception) -> None:
        super().__init__(limits=SMALL)
        self.error = error
        self.tries = 0

    async def append(self, message: Append) -> int:
        """See `Tape.append`."""
        if message.subject.endswith(".progress"):
            self.tries += 1
            raise self.error
        return await super().append(message)


def opened(name: str) -> RecordingOpened:
    """A recording of one source."""
    return RecordingOpened(
        recording=name,
        source="live",
        origin="simulated",
        description="",
        instruments=(1,),
        symbols=("A",),
        kinds=("trade",),
    )


async def recorded(tape: MemoryTape, name: str, count: int, seed: int = 1) -> RecordingCompleted | RecordingAbandoned:
    """A recording of so many rows, put in pieces of many sizes."""
    recorder = Recorder(tape, SystemClock(), opened(name))
    await recorder.open()
    rows, at, chance = walk(count, seed) if count else None, 0, np.random.Generator(np.random.Philox(seed))
    while rows is not None and at < count:
        size = int(chance.integers(1, 200))
        await recorder.put(rows[at : at + size])
        at += size
    return await recorder.complete()


async def test_what_was_put_is_on_the_tape_when_it_is_complete() -> None:
    """Every row once and in order, in frames within the writer's bound, and the fact says where and what they are."""
    tape = MemoryTape(limits=SMALL)
    fact = await recorded(tape, "r", 3_000)
    assert isinstance(fact, RecordingCompleted)
    messages = [one async for one in tape.read(1, subjects=(subjects.market("live"),))]
    assert max(len(one.body) for one in messages) <= WriterLimits().bytes_max + 256
    rows = np.concatenate([section.rows for one in messages for section in frames.decode(one.body, one.sequence)])
    whole = ContentHash()
    whole.add(walk(3_000))
    assert rows.tobytes() == walk(3_000).tobytes()
    assert (fact.rows, fact.content_hash) == (3_000, whole.hexdigest())
    assert (fact.first.sequence, fact.last.sequence) == (messages[0].sequence, messages[-1].sequence)
    assert (fact.first_event_ns, fact.last_event_ns) == (int(rows["ts_event_ns"][0]), int(rows["ts_event_ns"][-1]))


async def test_the_next_recording_goes_on_in_order() -> None:
    """Ordinals of a source are its own: they go on over recordings."""
    tape = MemoryTape(limits=SMALL)
    for number in range(3):
        await recorded(tape, f"r{number}", 500, number)
    expected = 0
    async for message in tape.read(1, subjects=(subjects.market("live"),)):
        (section,) = frames.decode(message.body, message.sequence)
        assert section.ordinal == expected
        expected += len(section.rows)
    assert expected == 1_500


async def test_a_recording_without_rows_is_abandoned() -> None:
    """It says so, and is never replayed."""
    tape = MemoryTape()
    fact = await recorded(tape, "r", 0)
    assert isinstance(fact, RecordingAbandoned)
    last = await tape.last(subjects.recording("r"))
    assert last is not None
    assert codec.decode(last.body, last.sequence) == fact


async def test_one_recording_is_opened_once() -> None:
    """Another recording under the same name is refused."""
    tape = MemoryTape()
    await recorded(tape, "r", 10)
    other = msgspec.structs.replace(opened("r"), description="another")
    with pytest.raises((FenceLost, Conflict)):
        await Recorder(tape, SystemClock(), other).open()


async def test_of_two_recorders_of_a_source_one_goes_on() -> None:
    """A stale writer meets the fence of the source: rows of two never mix."""
    tape = MemoryTape(limits=SMALL)
    recorders = [Recorder(tape.share(), SystemClock(), opened(name)) for name in ("one", "two")]
    for recorder in recorders:
        await recorder.open()

    async def record(recorder: Recorder, seed: int) -> object:
        for at in range(0, 1_000, 10):
            await recorder.put(walk(1_000, seed)[at : at + 10])
            await asyncio.sleep(0)
        return await recorder.complete()

    ended = await asyncio.gather(*(record(one, at) for at, one in enumerate(recorders)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["FenceLost", "RecordingCompleted"]
    left = [number for number, one in enumerate(ended) if isinstance(one, RecordingCompleted)]
    async for message in tape.read(1, subjects=(subjects.market("live"),)):
        for section in frames.decode(message.body, message.sequence):
            assert np.isin(section.rows["price"], walk(1_000, left[0])["price"]).all()


@pytest.mark.parametrize("error", [OutcomeUnknown("sent, and nothing came back"), RuntimeError("a bug")])
async def test_what_cannot_be_told_keeps_no_recording_open(tmp_path: Path, error: Exception) -> None:
    """A recording whose progress cannot be told, for whatever reason, is completed and its segment is written."""
    tape = Untold(error)
    segments = Segments(tmp_path, "epoch")
    recorder = Recorder(tape, SystemClock(), opened("r"), segments=segments.writer("live"), progress_seconds=0.01)
    await recorder.open()
    await recorder.put(walk(500))

    async def tried() -> bool:
        return tape.tries > 0

    await until(tried)
    fact = await recorder.complete()
    assert isinstance(fact, RecordingCompleted)
    assert fact.rows == 500
    assert _files(tmp_path)
    assert recorder._telling is not None
    assert recorder._telling.done()


def _files(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file()]
