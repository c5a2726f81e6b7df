"""When rows are due: never early, at most a quantum late, with nothing changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.errors import BadMapping
from engine.feeds.pacing import ACCELERATION_MAX, pace
from events.rows import MARKET_DTYPE, Rows

CHUNKS = st.lists(st.lists(st.integers(0, 10**12), max_size=20), max_size=5)


def chunks_at(times: list[list[int]]) -> list[Rows]:
    """Rows at these times; `id` counts them."""
    made = []
    for one in times:
        rows = np.zeros(len(one), MARKET_DTYPE)
        rows["ts_event_ns"] = one
        rows["ts_received_ns"] = np.array(one, np.int64) * 3
        rows["id"] = sum(map(len, made)) + np.arange(len(one))
        made.append(rows)
    return made


@given(CHUNKS, st.sampled_from([0.0, 0.5, 1.0, 60.0, 1e6]), st.sampled_from([0, 1_000, 10_000_000]))
def test_content_and_order_stay(times: list[list[int]], acceleration: float, quantum_ns: int) -> None:
    """Whatever the pace, the same rows come out in the same order."""
    chunks = chunks_at(times)
    found = [piece.rows.tobytes() for piece in pace(chunks, acceleration, quantum_ns=quantum_ns)]
    assert b"".join(found) == b"".join(rows.tobytes() for rows in chunks)


@given(CHUNKS, st.sampled_from([0.5, 1.0, 60.0]), st.sampled_from([1_000, 10_000_000]))
def test_rows_are_never_early_and_hardly_late(times: list[list[int]], acceleration: float, quantum_ns: int) -> None:
    """A row leaves at or after its own moment, and less than one quantum after it; due times never step back."""
    flat = [time for one in times for time in one]
    reached = np.maximum.accumulate(np.array(flat, np.int64)) if flat else np.zeros(0, np.int64)
    moments = iter((reached - reached[:1]) / acceleration)
    last = 0
    for piece in pace(chunks_at(times), acceleration, quantum_ns=quantum_ns):
        assert piece.due_ns >= last
        last = piece.due_ns
        for _ in range(len(piece.rows)):
            late = piece.due_ns - next(moments)
            assert -1 <= late < quantum_ns + 1


def test_real_time_twice_as_fast() -> None:
    """Rows a second apart are due half a second apart at an acceleration of two."""
    second = 1_000_000_000
    found = list(pace(chunks_at([[0, second], [2 * second]]), 2.0))
    assert [piece.due_ns for piece in found] == [0, second // 2, second]


def test_receipt_may_be_the_designated_time() -> None:
    """A source that goes by the time of receipt is paced by it."""
    found = list(pace(chunks_at([[0, 10**9]]), 1.0, designated="received"))
    assert [piece.due_ns for piece in found] == [0, 3 * 10**9]


def test_as_fast_as_possible_is_all_at_once() -> None:
    """Without an acceleration every chunk is due at once, uncut."""
    found = list(pace(chunks_at([[0, 10**9], [5 * 10**9]]), 0.0))
    assert [(piece.due_ns, len(piece.rows)) for piece in found] == [(0, 2), (0, 1)]


@pytest.mark.parametrize("acceleration", [-1.0, float("nan"), float("inf"), ACCELERATION_MAX * 2])
def test_wrong_acceleration_is_refused_at_once(acceleration: float) -> None:
    """A pace that is none is refused before the first row is asked for."""
    with pytest.raises(BadMapping, match="acceleration"):
        pace([], acceleration)
    with pytest.raises(BadMapping, match="quantum"):
        pace([], 1.0, quantum_ns=-1)
