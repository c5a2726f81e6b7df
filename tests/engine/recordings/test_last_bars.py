"""The last so many bars of a recording: counted, however far apart they lie."""

from __future__ import annotations

import asyncio

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from engine.recordings.last_bars import Bars, Ending, last_bars
from engine.recordings.reading import RecordingReader
from engine.recordings.stretches import Span
from tests.engine.recordings.test_stretches import recorded, trades

HOUR_NS = 3_600_000_000_000


async def begin_of(steps: list[int], frame_rows: int, span: Span, count: int, of: int = 1) -> Ending:
    """The span of the last bars of an instrument; every fifth trade is the second one's."""
    rows = trades(steps)
    rows["instrument"][4::5] = 2
    tape, recording = await recorded(rows, frame_rows)
    return await last_bars(tape, RecordingReader(tape), recording, span, Bars(count, HOUR_NS, of))


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.sampled_from([0, 1, HOUR_NS // 3, HOUR_NS, 60 * HOUR_NS]), min_size=1, max_size=60),
    frame_rows=st.integers(1, 20),
    count=st.integers(1, 40),
    instrument=st.integers(1, 2),
    cut=st.integers(0, 3),
)
def test_as_many_bars_as_were_asked_for(
    gaps: list[int], frame_rows: int, count: int, instrument: int, cut: int
) -> None:
    """Through gaps and weekends exactly so many hours with a trade of the instrument, or all that there are."""
    rows = trades(gaps)
    rows["instrument"][4::5] = 2
    times = rows["ts_event_ns"]
    span = Span(None, int(times[-1]) + 1 - cut * HOUR_NS) if cut else Span()
    found, bars = asyncio.run(begin_of(gaps, frame_rows, span, count, instrument))
    assert found.until_ns == span.until_ns
    inside = times[(rows["instrument"] == instrument) & (times < (span.until_ns or times[-1] + 1))]
    hours = np.unique(inside // HOUR_NS)
    assert bars == min(len(hours), count)
    if len(hours) <= count:
        assert found.first_ns is None or found.first_ns <= (inside[0] if len(inside) else times[0])
    else:
        assert found.first_ns is not None
        assert len(np.unique(inside[inside >= found.first_ns] // HOUR_NS)) == count


def test_weeks_of_five_days() -> None:
    """A thousand hours of a market that closes for two days of seven are more than eight weeks, not six."""
    steps = [HOUR_NS if at % 120 else 49 * HOUR_NS for at in range(2_400)]
    found, _ = asyncio.run(begin_of(steps, 500, Span(), 1_000))
    times = trades(steps)["ts_event_ns"]
    assert found.first_ns is not None
    weeks = (times[-1] - found.first_ns) / (7 * 24 * HOUR_NS)
    assert 1_000 / 120 < weeks < 1_300 / 120
