"""Bollinger bands: mean of the last `window` values, and `width` population standard deviations on either side.

Source: TA-Lib `BBANDS` with simple averages; John Bollinger.
"""

from __future__ import annotations

import numpy as np

from engine.compiled import compiled
from engine.indicators.moments import MOMENTS_DTYPE, moments_ready, moments_update

BOLLINGER_DTYPE = MOMENTS_DTYPE


@compiled
def bollinger_update(state: np.void, value: float, window: int, width: float) -> tuple[float, float, float]:
    """Take one value; give (upper, middle, lower), NaN for the first `window - 1`. 1 <= window <= WINDOW_MAX."""
    mean, deviation = moments_update(state, value, window)
    return mean + width * deviation, mean, mean - width * deviation


@compiled
def bollinger_ready(state: np.void, window: int) -> bool:
    """Whether `window` values were seen."""
    return moments_ready(state, window)
