"""Velocity and surge, against naive twins that keep every row."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.indicators.limits import TIME_BUCKETS
from engine.indicators.surge import SURGE_DTYPE, surge_ready, surge_update
from engine.indicators.twap import TWAP_DTYPE, twap_update
from engine.indicators.velocity import VELOCITY_DTYPE, velocity_ready, velocity_update
from tests.engine.indicators.streams import stream

STEPS = st.one_of(st.just(0), st.integers(0, 40), st.integers(0, 2_000), st.integers(0, 50_000))
TRADES = st.lists(st.tuples(STEPS, st.sampled_from([0.0, 1.0, 2.5, 400.0])), min_size=1, max_size=120)
WINDOWS = st.sampled_from([(60, 600), (600, 6_000), (61, 61), (300, 7_000)])


def window_start(ts_ns: int, window_ns: int) -> int:
    """Start of the oldest of the buckets that end with the one `ts_ns` is in."""
    width = window_ns // TIME_BUCKETS
    return (ts_ns // width - TIME_BUCKETS + 1) * width


@settings(max_examples=150, deadline=None)
@given(trades=TRADES, windows=WINDOWS)
def test_surge_is_the_rate_over_the_usual_rate(trades: list[tuple[int, float]], windows: tuple[int, int]) -> None:
    """Quantity of the window over that of the base, each over its time, and the instants that traded."""
    window_ns, base_ns = windows
    times = np.cumsum([wait for wait, _ in trades]) + 1_000_000
    width = base_ns // TIME_BUCKETS
    state = np.zeros(1, SURGE_DTYPE)
    first = edge = int(times[0])
    for end, (now, (_, quantity)) in enumerate(zip(times.tolist(), trades, strict=True), start=1):
        got = surge_update(state[0], now, quantity, window_ns, base_ns)
        if end > 1 and now - edge >= base_ns:
            first = now
        edge = (now // width + 1) * width
        recent, base = (
            [(at, sold) for at, (_, sold) in zip(times[:end].tolist(), trades, strict=False) if at >= start]
            for start in (window_start(now, window_ns), window_start(now, base_ns))
        )
        assert state[0]["arrivals"] == len({at for at, _ in recent})
        usual = math.fsum(sold for _, sold in base)
        seen_ns = max(min(now - first, base_ns), window_ns)
        want = math.fsum(sold for _, sold in recent) / usual * seen_ns / window_ns if usual else 0.0
        assert got == pytest.approx(want, rel=1e-9)
        assert surge_ready(state[0], base_ns) == (now - first >= base_ns)


def test_surge_takes_a_time_that_went_back_as_now() -> None:
    """A late row adds its quantity and is no new arrival."""
    state = np.zeros(1, SURGE_DTYPE)
    surge_update(state[0], 10_000, 1.0, 600, 6_000)
    surge_update(state[0], 9_000, 1.0, 600, 6_000)
    assert (state[0]["arrivals"], state[0]["last_ns"]) == (1.0, 10_000)


@pytest.mark.parametrize("windows", [(59, 600), (600, 599)])
def test_surge_of_windows_out_of_bounds_is_nothing(windows: tuple[int, int]) -> None:
    """A window too short to cut, or a base shorter than the window, never gives a number."""
    assert math.isnan(surge_update(np.zeros(1, SURGE_DTYPE)[0], 10_000, 1.0, *windows))


@pytest.mark.parametrize("fast_ns", [0, 600])
def test_velocity_is_fast_over_slow(fast_ns: int) -> None:
    """It is the ratio of the two averages, less 1; with no fast window, of the price itself."""
    noise = np.random.Generator(np.random.Philox(key=3))
    times = np.cumsum(noise.integers(0, 900, 500)).tolist()
    prices = (100.0 * np.exp(np.cumsum(noise.normal(0.0, 0.01, 500)))).tolist()
    rows = list(zip(times, prices, strict=True))
    state = np.zeros(1, VELOCITY_DTYPE)
    got = stream(velocity_update, state[0], rows, fast_ns, 6_000)
    slow = stream(twap_update, np.zeros(1, TWAP_DTYPE)[0], rows, 6_000)
    fast = stream(twap_update, np.zeros(1, TWAP_DTYPE)[0], rows, fast_ns) if fast_ns else prices
    np.testing.assert_array_equal(got, np.array(fast) / np.array(slow) - 1.0)
    assert velocity_ready(state[0], 6_000)
    assert not velocity_ready(np.zeros(1, VELOCITY_DTYPE)[0], 6_000)


def test_a_price_of_nothing_has_no_velocity() -> None:
    """Where all prices are 0 the velocity is 0."""
    assert velocity_update(np.zeros(1, VELOCITY_DTYPE)[0], 10_000, 0.0, 600, 6_000) == 0.0
