"""Average true range: Wilder's mean of `max(high - low, |high - previous close|, |low - previous close|)`.

For ticks give the price as high, low and close: the true range is then the absolute change.
Source: TA-Lib `ATR`; J. Welles Wilder, New Concepts in Technical Trading Systems (1978).
"""

from __future__ import annotations

import math

import numpy as np

from engine.compiled import compiled

ATR_DTYPE = np.dtype([("count", "<i8"), ("close", "<f8"), ("value", "<f8")])


@compiled
def atr_update(state: np.void, high: float, low: float, close: float, window: int) -> float:
    """Take one bar; give the average range in units of price, NaN for the first `window` bars. Any window >= 1."""
    if window < 1:
        return math.nan
    ranges = state["count"]  # true ranges seen: the first bar has no previous close
    previous = state["close"]
    state["count"] = ranges + 1
    state["close"] = close
    if ranges == 0:
        return math.nan
    true_range = max(high - low, abs(high - previous), abs(low - previous))
    if ranges < window:
        state["value"] += true_range
        return math.nan
    if ranges == window:
        state["value"] = (state["value"] + true_range) / window
    else:
        state["value"] = (state["value"] * (window - 1) + true_range) / window
    return state["value"]


@compiled
def atr_ready(state: np.void, window: int) -> bool:
    """Whether `window + 1` bars were seen."""
    return 1 <= window < state["count"]
