"""Moving average convergence divergence: `EMA(fast) - EMA(slow)`, its EMA as signal, and their difference.

The fast average starts so that both are seeded on the same row, as in TA-Lib. Source: TA-Lib `MACD`; Gerald Appel.
"""

from __future__ import annotations

import math

import numpy as np

from engine.compiled import compiled
from engine.indicators.ema import EMA_DTYPE, ema_ready, ema_update

MACD_DTYPE = np.dtype([("count", "<i8"), ("fast", EMA_DTYPE), ("slow", EMA_DTYPE), ("signal", EMA_DTYPE)])


@compiled
def macd_update(state: np.void, value: float, fast: int, slow: int, signal: int) -> tuple[float, float, float]:
    """Take one value; give (macd, signal, histogram), NaN for the first `slow + signal - 2`. 1 <= fast < slow."""
    count = state["count"] + 1
    state["count"] = count
    slow_value = ema_update(state["slow"], value, slow)
    fast_value = math.nan
    if count > slow - fast:
        fast_value = ema_update(state["fast"], value, fast)
    if count < slow:
        return math.nan, math.nan, math.nan
    macd = fast_value - slow_value
    signal_value = ema_update(state["signal"], macd, signal)
    if not ema_ready(state["signal"], signal):
        return math.nan, math.nan, math.nan
    return macd, signal_value, macd - signal_value


@compiled
def macd_ready(state: np.void, signal: int) -> bool:
    """Whether the signal line is defined, which is so after `slow + signal - 1` values."""
    return ema_ready(state["signal"], signal)
