"""Relative strength index: `100 * gain / (gain + loss)` of Wilder's mean gain and mean loss over `window` changes.

A window without any change gives 50 (neither side), where TA-Lib gives 0, which a strategy would read as oversold.
Source: TA-Lib `RSI`; J. Welles Wilder, New Concepts in Technical Trading Systems (1978).
"""

from __future__ import annotations

import math

import numpy as np

from engine.compiled import compiled

RSI_DTYPE = np.dtype([("count", "<i8"), ("previous", "<f8"), ("gain", "<f8"), ("loss", "<f8")])

RSI_FLAT = 50.0


@compiled
def rsi_update(state: np.void, value: float, window: int) -> float:
    """Take one value; give the index in 0..100, NaN for the first `window` values. Any window >= 1."""
    if window < 1:
        return math.nan
    changes = state["count"]
    change = value - state["previous"]
    state["count"] = changes + 1
    state["previous"] = value
    if changes == 0:
        return math.nan
    gain = max(change, 0.0)
    loss = max(-change, 0.0)
    if changes <= window:
        state["gain"] += gain
        state["loss"] += loss
        if changes < window:
            return math.nan
        state["gain"] /= window
        state["loss"] /= window
    else:
        state["gain"] = (state["gain"] * (window - 1) + gain) / window
        state["loss"] = (state["loss"] * (window - 1) + loss) / window
    total = state["gain"] + state["loss"]
    return 100.0 * (state["gain"] / total) if total > 0.0 else RSI_FLAT


@compiled
def rsi_ready(state: np.void, window: int) -> bool:
    """Whether `window + 1` values were seen."""
    return 1 <= window < state["count"]
