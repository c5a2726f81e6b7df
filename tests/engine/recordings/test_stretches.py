"""Rows of a recording by time: exactly those that lie within, however they are spread over messages."""

from __future__ import annotations

import asyncio

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from engine.recordings.reading import RecordingReader, Window
from engine.recordings.shelf import Recording, Shelf
from engine.recordings.stretches import Span, stretch
from events import frames, subjects
from events.clock import SystemClock
from events.errors import InvalidInput
from events.facts import Place, RecordingCompleted, RecordingOpened
from events.frames import Section
from events.memory_tape import MemoryTape
from events.rows import MARKET_DTYPE, MarketKind, Rows, SectionKind
from events.tape import Append

BEGIN_NS = 1_700_000_000_000_000_000
DAY_NS = 86_400 * 1_000_000_000
SYMBOLS = ("AAA", "BBB")


def opened(name: str, source: str = "src") -> RecordingOpened:
    """The beginning of a recording."""
    return RecordingOpened(
        recording=name,
        source=source,
        origin="import",
        description="",
        instruments=(1, 2),
        symbols=SYMBOLS,
        kinds=("trade",),
    )


def completed(name: str, places: tuple[Place, Place], times: tuple[int, int], rows: int = 1) -> RecordingCompleted:
    """The end of one."""
    return RecordingCompleted(
        recording=name,
        rows=rows,
        first=places[0],
        last=places[1],
        first_event_ns=times[0],
        last_event_ns=times[1],
        content_hash="",
    )


def trades(steps: list[int]) -> Rows:
    """Trades so many ns apart."""
    rows = np.zeros(len(steps), MARKET_DTYPE)
    rows["ts_event_ns"] = BEGIN_NS + np.cumsum(steps)
    rows["price"], rows["quantity"], rows["instrument"], rows["kind"] = 100.0, 1.0, 1, MarketKind.TRADE
    return rows


async def recorded(rows: Rows, frame_rows: int, before: int = 0, behind: int = 0) -> tuple[MemoryTape, Recording]:
    """Rows as a recording of small messages, with messages of others between them. The source has `before` rows in
    front of it in its first message, and `behind` in its last.
    """
    tape = MemoryTape(clock=SystemClock())
    padded = np.concatenate([rows[:1].repeat(before), rows, rows[-1:].repeat(behind)])
    places: list[Place] = []
    for number, at in enumerate(range(0, len(padded), frame_rows)):
        part = padded[at : at + frame_rows]
        body = frames.encode([Section(SectionKind.MARKET, part, at)])
        sequence = await tape.append(Append(subjects.market("src"), body, f"src:{at}"))
        places += [Place(sequence, index) for index in range(len(part))]
        for other in range(number % 3):
            await tape.append(Append(subjects.market("other"), body, f"other:{at}:{other}"))
    shelf = Shelf()
    shelf.evolve(opened("rec"), 1)
    ends = (places[before], places[before + len(rows) - 1])
    times = (int(rows["ts_event_ns"][0]), int(rows["ts_event_ns"][-1]))
    shelf.evolve(completed("rec", ends, times, len(rows)), 2)
    return tape, shelf.recordings["rec"]


async def times_of(tape: MemoryTape, recording: Recording, span: Span) -> list[int]:
    """Event times of the rows that a span means."""
    found = await stretch(tape, recording, span)
    window = Window(recording.opened.source, found.first, found.last)
    times = [int(one) async for item in RecordingReader(tape).read(window) for one in item.rows["ts_event_ns"]]
    assert (times[0], times[-1]) == (found.first_ns, found.last_ns)
    return times


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.integers(0, 3), min_size=1, max_size=80),
    frame_rows=st.integers(1, 30),
    ends=st.tuples(st.integers(-5, 200), st.integers(-5, 200)),
    around=st.tuples(st.integers(0, 5), st.integers(0, 5)),
)
def test_a_span_has_the_rows_within(
    steps: list[int], frame_rows: int, ends: tuple[int, int], around: tuple[int, int]
) -> None:
    """From the first row at the one moment to the last before the other, with any number of rows at one moment."""
    asyncio.run(_compare(trades(steps), frame_rows, ends, around))


async def _compare(rows: Rows, frame_rows: int, ends: tuple[int, int], around: tuple[int, int]) -> None:
    tape, recording = await recorded(rows, frame_rows, *around)
    span = Span(BEGIN_NS + ends[0], BEGIN_NS + ends[1])
    wanted = [int(one) for one in rows["ts_event_ns"] if ends[0] <= one - BEGIN_NS < ends[1]]
    if wanted:
        assert await times_of(tape, recording, span) == wanted
    else:
        with pytest.raises(InvalidInput, match="no row in this range"):
            await stretch(tape, recording, span)


async def test_an_open_span_is_the_whole_recording() -> None:
    """Without moments every row is meant, with one of them all on that side of it."""
    rows = trades([1] * 100)
    tape, recording = await recorded(rows, 7)
    assert len(await times_of(tape, recording, Span())) == 100
    middle = int(rows["ts_event_ns"][50])
    assert len(await times_of(tape, recording, Span(first_ns=middle))) == 50
    assert len(await times_of(tape, recording, Span(until_ns=middle))) == 50
