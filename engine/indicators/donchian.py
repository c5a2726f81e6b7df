"""Donchian channel: highest high and lowest low of the last `window` rows, the newest included.

To trade a breakout compare the new price with `upper` and `lower` of the state before the update. Blocks as in `sma`,
holding running and suffix extremes. Source: TA-Lib `MAX` and `MIN`; Richard Donchian; van Herk and Gil-Werman.
"""

from __future__ import annotations

import math

import numpy as np

from engine.compiled import compiled
from engine.indicators.limits import WINDOW_MAX

DONCHIAN_DTYPE = np.dtype(
    [
        ("count", "<i8"),  # rows seen
        ("place", "<i8"),  # rows in the current block
        ("head_high", "<f8"),  # extremes of the current block
        ("head_low", "<f8"),
        ("upper", "<f8"),  # newest channel; 0 before the window is full
        ("lower", "<f8"),
        ("highs", "<f8", (WINDOW_MAX,)),  # [:place] rows of this block, [place:] suffix maxima of the block before
        ("lows", "<f8", (WINDOW_MAX,)),
    ]
)


@compiled
def donchian_update(state: np.void, high: float, low: float, window: int) -> tuple[float, float]:
    """Take one row; give (upper, lower), NaN for the first `window - 1` rows. 1 <= window <= WINDOW_MAX."""
    if window < 1 or window > WINDOW_MAX:
        return math.nan, math.nan
    highs = state["highs"]
    lows = state["lows"]
    place = state["place"]
    highs[place] = high
    lows[place] = low
    upper = high
    lower = low
    if place > 0:  # comparisons, not max and min: those of numba look for NaN first, and inputs are finite
        if state["head_high"] > high:
            upper = state["head_high"]
        if state["head_low"] < low:
            lower = state["head_low"]
    state["head_high"] = upper
    state["head_low"] = lower
    state["count"] += 1
    place += 1
    state["place"] = place
    if place == window:
        donchian_close(state, window)
    elif state["count"] < window:
        return math.nan, math.nan
    else:
        if highs[place] > upper:
            upper = highs[place]
        if lows[place] < lower:
            lower = lows[place]
    state["upper"] = upper
    state["lower"] = lower
    return upper, lower


@compiled
def donchian_close(state: np.void, window: int) -> None:
    """Turn the full block into suffix extremes and begin an empty one."""
    highs = state["highs"]
    lows = state["lows"]
    high = highs[window - 1]
    low = lows[window - 1]
    for index in range(window - 2, 0, -1):
        if highs[index] > high:
            high = highs[index]
        if lows[index] < low:
            low = lows[index]
        highs[index] = high
        lows[index] = low
    state["place"] = 0


@compiled
def donchian_ready(state: np.void, window: int) -> bool:
    """Whether `window` rows were seen."""
    return 1 <= window <= WINDOW_MAX and state["count"] >= window
