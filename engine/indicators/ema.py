"""Exponential moving average: `e += (value - e) * 2 / (window + 1)`, seeded with the mean of the first `window` values.

Source: TA-Lib `EMA`.
"""

from __future__ import annotations

import math

import numpy as np

from engine.compiled import compiled

EMA_DTYPE = np.dtype([("count", "<i8"), ("value", "<f8")])


@compiled
def ema_update(state: np.void, value: float, window: int) -> float:
    """Take one value; give the average, NaN for the first `window - 1` values. Any window >= 1."""
    if window < 1:
        return math.nan
    count = state["count"] + 1
    state["count"] = count
    if count < window:
        state["value"] += value
        return math.nan
    if count == window:
        state["value"] = (state["value"] + value) / window
    else:
        state["value"] = (value - state["value"]) * (2.0 / (window + 1)) + state["value"]
    return state["value"]


@compiled
def ema_ready(state: np.void, window: int) -> bool:
    """Whether `window` values were seen."""
    return 1 <= window <= state["count"]
