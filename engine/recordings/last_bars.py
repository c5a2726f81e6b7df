"""Where the last so many bars of an instrument begin. Bars are counted: a time in which nothing traded holds none."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.recordings.reading import RecordingReader, RowsInput, Window
from engine.recordings.shelf import Recording
from engine.recordings.stretches import Span, Times, stretch
from events.errors import InvalidInput
from events.rows import MarketKind, SectionKind
from events.tape import Tape

SLACK = 1.1  # of the time in which the missing bars are looked for next


class Bars(NamedTuple):
    """How many, how long (aligned to the epoch, UTC), and of which instrument."""

    bars: int
    length_ns: int
    instrument: int


class Ending(NamedTuple):
    """The end of a span, and how many bars it holds."""

    span: Span
    bars: int


async def last_bars(tape: Tape, reader: RecordingReader, recording: Recording, span: Span, wanted: Bars) -> Ending:
    """The end of a span that holds so many bars; all of it where there are fewer. Reads from its end backward.

    A bar is a length of time, by the recording's designated time, in which the instrument has a trade or a bar.

    Raises:
        Conflict: the recording is not complete.
    """
    whole = recording.whole()
    behind = min(whole.last_event_ns + 1, span.until_ns or whole.last_event_ns + 1)
    bottom = max(whole.first_event_ns, span.first_ns or 0)
    missing, looked_ns, found = wanted.bars, 0, 0
    while behind > bottom:
        lengths = missing if not found else missing * looked_ns / wanted.length_ns / found * SLACK
        first = max((behind - max(1, int(lengths)) * wanted.length_ns) // wanted.length_ns * wanted.length_ns, 0)
        numbers = await _numbers(tape, reader, recording, Span(max(first, bottom), behind), wanted)
        if len(numbers) >= missing:
            begin_ns = max(int(numbers[-missing]) * wanted.length_ns, bottom)
            return Ending(Span(begin_ns, span.until_ns), wanted.bars)
        missing -= len(numbers)
        found += len(numbers)
        looked_ns += behind - first
        behind = first
    return Ending(span, found)


async def _numbers(tape: Tape, reader: RecordingReader, recording: Recording, span: Span, wanted: Bars) -> Times:
    """Numbers of the bars within a span, ascending."""
    try:
        there = await stretch(tape, recording, span)
    except InvalidInput:
        return np.empty(0, np.int64)  # a weekend
    field = "ts_received_ns" if recording.opened.designated == "received" else "ts_event_ns"
    found: list[Times] = []
    latest = 0
    async for item in reader.read(Window(recording.opened.source, there.first, there.last)):
        times = np.maximum(np.maximum.accumulate(item.rows[field].astype(np.int64)), latest)
        latest = int(times[-1])
        found.append(np.unique(times[_traded(item, wanted.instrument)] // wanted.length_ns))
    return np.unique(np.concatenate(found))


def _traded(item: RowsInput, instrument: int) -> np.ndarray:
    """Which rows make a bar of an instrument, bool[n]."""
    mine: np.ndarray = item.rows["instrument"] == instrument
    return mine if item.kind is SectionKind.BAR else mine & (item.rows["kind"] == MarketKind.TRADE)
