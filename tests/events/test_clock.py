"""Time and ids: text and back, ids that sort, and a clock that moves only when told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.clock import NS_PER_SECOND, ManualClock, SystemClock, from_iso, iso, ulid
from events.jetstream.wire import stamp_ns

YEAR_2200_NS = 7_258_118_400 * NS_PER_SECOND


@given(st.integers(0, YEAR_2200_NS))
def test_text_and_back(ts_ns: int) -> None:
    """A time written as text and read again is the same down to the microsecond."""
    assert from_iso(iso(ts_ns)) == ts_ns // 1_000 * 1_000


@given(st.integers(0, YEAR_2200_NS))
def test_server_stamps_keep_nanoseconds(ts_ns: int) -> None:
    """A stamp of the server is read to the nanosecond, with trailing zeros left out or not."""
    whole = iso(ts_ns)[:19]
    text = f"{whole}.{ts_ns % NS_PER_SECOND:09d}Z"
    assert stamp_ns(text) == ts_ns
    assert stamp_ns(text[:-1].rstrip("0").rstrip(".") + "Z") == ts_ns


def test_zones() -> None:
    """A text without a zone is UTC; others are turned into it."""
    assert from_iso("2026-01-01T00:00:00") == from_iso("2026-01-01T01:00:00+01:00") == from_iso("2026-01-01T00:00:00Z")
    with pytest.raises(ValueError, match="isoformat"):
        from_iso("yesterday")


@given(st.integers(0, YEAR_2200_NS), st.integers(0, YEAR_2200_NS), st.binary(min_size=10, max_size=10))
def test_ids_sort_by_time(one_ns: int, other_ns: int, chance: bytes) -> None:
    """Of two ids of different milliseconds the earlier one sorts first; ids are tokens."""
    one, other = ulid(one_ns, chance), ulid(other_ns, chance)
    assert (one < other) == (one_ns // 1_000_000 < other_ns // 1_000_000)
    assert len(one) == 26
    assert one.isalnum()


async def test_manual_clock() -> None:
    """A manual clock moves by what it is told and by its sleeps, never back, and its ids count."""
    clock = ManualClock(start_ns=5 * NS_PER_SECOND)
    clock.advance(1.5)
    await clock.sleep(0.5)
    assert (clock.now_ns(), clock.monotonic_ns()) == (7 * NS_PER_SECOND, 2 * NS_PER_SECOND)
    ids = [clock.new_id() for _ in range(100)]
    assert ids == sorted(set(ids))
    assert ids == [other.new_id() for other in [ManualClock(start_ns=5 * NS_PER_SECOND)] for _ in range(100)]
    with pytest.raises(AssertionError):
        clock.advance(-1)


async def test_system_clock() -> None:
    """The machine's clock goes on, and its ids differ."""
    clock = SystemClock()
    began, wall = clock.monotonic_ns(), clock.now_ns()
    await clock.sleep(0.002)
    assert clock.monotonic_ns() - began >= 1_500_000
    assert clock.now_ns() > wall
    assert len({clock.new_id() for _ in range(1_000)}) == 1_000
