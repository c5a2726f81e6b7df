"""Bars become rows on a path, and lose nothing on the way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.loop.bars import expand_bars
from engine.loop.decision_loop import DecisionLoop
from engine.loop.module import plain_module
from events.rows import BAR_BITS, BAR_DTYPE, MARKET_DTYPE, MarketFlag
from tests.engine.loop.driving import SECOND, START_NS, STRATEGIES, Desk, bar, spec_of
from tests.engine.loop.kernels import SCRIPTED

PRICE = st.floats(1e-8, 1e6)


@settings(deadline=None)
@given(prices=st.lists(PRICE, min_size=4, max_size=4), volume=st.one_of(st.just(0.0), st.floats(1e-300, 1e15)))
def test_a_bar_keeps_its_prices_and_its_volume(prices: list[float], volume: float) -> None:
    """Open, both extremes and close are there, in order of the nearer extreme; the volume is whole."""
    low, *between, high = sorted(prices)
    one = bar(between[0], high, low, between[1], volume)
    rows = expand_bars(one)
    path = rows["price"].tolist()
    assert (path[0], path[3], sorted(path[1:3])) == (between[0], between[1], [low, high])
    assert abs(path[1] - path[0]) <= abs(path[2] - path[0])
    assert float(rows["quantity"].sum()) == volume
    assert [int(flags) & BAR_BITS for flags in rows["flags"]] == [
        MarketFlag.BAR_OPEN,
        MarketFlag.BAR_NEAR,
        MarketFlag.BAR_FAR,
        MarketFlag.BAR_CLOSE,
    ]


@pytest.mark.parametrize(("close", "first"), [(99.5, 101.0), (100.5, 99.0), (100.0, 99.0)])
def test_equal_extremes_are_met_by_the_bars_direction(close: float, first: float) -> None:
    """A falling bar meets its high first, any other its low."""
    assert expand_bars(bar(100.0, 101.0, 99.0, close))["price"][1] == first


def test_times_run_within_the_bar() -> None:
    """From the opening to a nanosecond before the closing time; receipt is the bar's."""
    rows = expand_bars(bar(100.0, 101.0, 99.0, 100.0))
    assert (rows["ts_event_ns"] - START_NS).tolist() == [0, 20 * SECOND, 40 * SECOND, 60 * SECOND - 1]
    assert set(rows["ts_received_ns"].tolist()) == {START_NS + 60 * SECOND}


def test_kernels_see_the_close_only_and_a_bar_is_four_inputs() -> None:
    """Strategies decide once a bar, with its high and low known."""
    at = Desk(spec_of()).bars(bar(100.0, 101.0, 99.0, 100.5), bar(100.0, 103.0, 99.5, 100.5))
    assert at.loop._memory.kernels[0]["calls"].tolist() == [2]
    assert at.loop.inputs == 8
    known = at.loop.instruments[0]
    assert (known["bar_open"], known["bar_high"], known["bar_low"], known["last"]) == (100.0, 103.0, 99.5, 100.5)


def test_bars_may_be_cut_anywhere_too() -> None:
    """Expanded or handed over as bars, together or one by one: the same records."""
    noise = np.random.Generator(np.random.Philox(key=3))
    bars = np.zeros(60, BAR_DTYPE)
    ends = 100.0 + noise.normal(0, 1, (60, 2))
    bars["open"], bars["close"] = ends[:, 0], ends[:, 1]
    bars["high"], bars["low"] = ends.max(axis=1) + 0.5, ends.min(axis=1) - 0.5
    bars["ts_event_ns"] = START_NS + np.arange(60) * 60 * SECOND
    bars["interval_ns"] = 60 * SECOND
    one = DecisionLoop(spec_of(), STRATEGIES)
    rows = np.empty(4 * len(bars), MARKET_DTYPE)
    plain_module([SCRIPTED]).expand(bars, rows)
    assert rows.tobytes() == expand_bars(bars).tobytes()
    one.advance(rows)
    states = {one.state_hash()}
    for parts in ([bars], [bars[at : at + 1] for at in range(60)], [bars[:7], bars[7:]]):
        loop = DecisionLoop(spec_of(), STRATEGIES)
        for part in parts:
            loop.advance_bars(part)
        states.add(loop.state_hash())
    assert len(states) == 1
