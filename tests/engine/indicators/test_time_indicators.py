"""Indicators over the last nanoseconds, against naive twins that keep every row."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.indicators.lagged import LAGGED_DTYPE, lagged_ready, lagged_update
from engine.indicators.limits import TIME_BUCKETS
from engine.indicators.trade_window import (
    TRADE_WINDOW_DTYPE,
    trade_window_advance,
    trade_window_ready,
    trade_window_update,
)
from engine.indicators.twap import TWAP_DTYPE, twap_ready, twap_update
from tests.engine.indicators.streams import stream

SECOND = 1_000_000_000
HOUR = 3600 * SECOND

STEPS = st.one_of(st.integers(0, 40), st.integers(0, 400), st.integers(0, 20_000))
TRADES = st.lists(st.tuples(STEPS, st.floats(1e-3, 1e6), st.sampled_from([0.0, 1.0, 2.5])), min_size=1, max_size=120)
WINDOW = st.sampled_from([60, 61, 600, 6_000])


def timed(trades: list[tuple[int, float, float]]) -> list[tuple[int, float, float]]:
    """Turn waiting times into times."""
    ts_ns, rows = 0, []
    for wait, price, quantity in trades:
        ts_ns += wait
        rows.append((ts_ns, price, quantity))
    return rows


def window_start(ts_ns: int, window_ns: int) -> int:
    """Start of the oldest of the buckets that end with the one `ts_ns` is in."""
    width = window_ns // TIME_BUCKETS
    return (ts_ns // width - TIME_BUCKETS + 1) * width


@settings(max_examples=150, deadline=None)
@given(trades=TRADES, window_ns=WINDOW)
def test_twap_is_the_integral_over_the_time(trades: list[tuple[int, float, float]], window_ns: int) -> None:
    """Each price weighs as long as it held inside the window, over gaps of any length."""
    rows = timed(trades)
    got = stream(twap_update, np.zeros(1, TWAP_DTYPE)[0], [row[:2] for row in rows], window_ns)
    for index, (now, price, _) in enumerate(rows):
        start = max(window_start(now, window_ns), rows[0][0])
        weighed = math.fsum(
            held * (min(after, now) - max(since, start))
            for (since, held, _), (after, _, _) in pairwise(rows[: index + 1])
            if min(after, now) > max(since, start)
        )
        want = weighed / (now - start) if now > start else price
        assert got[index] == pytest.approx(want, rel=1e-12)


@settings(max_examples=150, deadline=None)
@given(trades=TRADES, window_ns=WINDOW)
def test_trade_window_is_the_sums_of_its_trades(trades: list[tuple[int, float, float]], window_ns: int) -> None:
    """Quantity, notional, mean price and VWAP are those of the trades in the window."""
    rows = timed(trades)
    state = np.zeros(1, TRADE_WINDOW_DTYPE)[0]
    for index, (now, price, quantity) in enumerate(rows):
        mean = trade_window_update(state, now, price, quantity, window_ns)
        kept = [row for row in rows[: index + 1] if row[0] >= window_start(now, window_ns)]
        bought = math.fsum(row[2] for row in kept)
        notional = math.fsum(row[1] * row[2] for row in kept)
        assert state["trades"] == len(kept)
        assert state["quantity"] == pytest.approx(bought, rel=1e-13)
        assert state["notional"] == pytest.approx(notional, rel=1e-12)
        assert mean == state["mean_price"] == pytest.approx(math.fsum(row[1] for row in kept) / len(kept), rel=1e-12)
        assert state["vwap"] == pytest.approx(notional / bought if bought else price, rel=1e-12)


@settings(max_examples=150, deadline=None)
@given(trades=TRADES, window_ns=WINDOW)
def test_lagged_is_the_value_of_that_time_ago(trades: list[tuple[int, float, float]], window_ns: int) -> None:
    """The value given is the last one from before the window."""
    rows = timed(trades)
    state = np.zeros(1, LAGGED_DTYPE)[0]
    for index, (now, price, _) in enumerate(rows):
        got = lagged_update(state, now, price, window_ns)
        older = [row[1] for row in rows[:index] if row[0] < window_start(now, window_ns)]
        if older:
            assert got == older[-1]
        else:
            assert math.isnan(got)
        assert lagged_ready(state) == bool(older)


def test_twap_of_a_price_that_jumped_halfway() -> None:
    """Ten seconds at 100 and ten at 200 make 150."""
    rows = [(0, 100.0), (10 * SECOND, 200.0), (20 * SECOND - 1, 200.0)]
    state = np.zeros(1, TWAP_DTYPE)[0]
    got = stream(twap_update, state, rows, 60 * SECOND)
    assert got[0] == 100.0
    assert got[2] == pytest.approx(150.0, rel=1e-9)
    assert not twap_ready(state, 60 * SECOND)
    twap_update(state, 60 * SECOND, 200.0, 60 * SECOND)
    assert twap_ready(state, 60 * SECOND)


def test_quantity_of_the_last_seconds_falls_when_nobody_trades() -> None:
    """A surge ends by time alone: an advance without a trade empties the window."""
    state = np.zeros(1, TRADE_WINDOW_DTYPE)[0]
    assert math.isnan(trade_window_advance(state, 5, 20 * SECOND))
    for second in range(100):
        trade_window_update(state, second * SECOND, 10.0, 2.0, 20 * SECOND)
    assert state["quantity"] == 40.0
    assert trade_window_ready(state, 20 * SECOND)
    assert trade_window_advance(state, 130 * SECOND, 20 * SECOND) == 10.0
    assert (state["quantity"], state["trades"]) == (0.0, 0.0)


def test_time_that_runs_backward_counts_as_the_newest_time() -> None:
    """A late row changes no window that is already closed."""
    late, straight = np.zeros(1, TRADE_WINDOW_DTYPE), np.zeros(1, TRADE_WINDOW_DTYPE)
    twaps = np.zeros(2, TWAP_DTYPE)
    for ts_ns, counted in ((0, 0), (500, 500), (120, 500), (700, 700)):
        trade_window_update(late[0], ts_ns, 5.0, 1.0, 600)
        trade_window_update(straight[0], counted, 5.0, 1.0, 600)
        twap_update(twaps[0], ts_ns, 5.0, 600)
        twap_update(twaps[1], counted, 5.0, 600)
    assert late.tobytes() == straight.tobytes()
    assert twaps[0].tobytes() == twaps[1].tobytes()


def test_a_pump_shows_in_velocity_and_volume_within_seconds() -> None:
    """A 5 % jump with ten times the volume shows in TWAP velocity and the surge five seconds later, and not before."""
    fast, slow = np.zeros(1, TRADE_WINDOW_DTYPE)[0], np.zeros(1, TRADE_WINDOW_DTYPE)[0]
    price_20s, an_hour_mean = np.zeros(1, TWAP_DTYPE)[0], 0.0
    start = 2 * HOUR
    for second in range(7200 + 6):
        now = second * SECOND
        pumped = now >= start
        price, quantity = (105.0, 10.0) if pumped else (100.0, 1.0)
        an_hour_mean = trade_window_update(slow, now, price, quantity, HOUR)
        trade_window_update(fast, now, price, quantity, 20 * SECOND)
        twap = twap_update(price_20s, now, price, 20 * SECOND)
        velocity = twap / an_hour_mean - 1.0
        surge = (fast["quantity"] / 20.0) / (slow["quantity"] / 3600.0)
        if trade_window_ready(slow, HOUR) and not pumped:
            assert abs(velocity) < 1e-9
            assert surge < 1.1
    assert velocity > 0.01
    assert surge > 3.0
