"""Z-score: `(value - mean) / deviation` over the last `window` values, the newest included.

The deviation is the population's, so |z| > k says the same as leaving Bollinger bands of width k. A window without any
deviation gives 0. Source: scipy `zscore` with ddof 0, over a rolling window.
"""

from __future__ import annotations

import numpy as np

from engine.compiled import compiled
from engine.indicators.moments import MOMENTS_DTYPE, moments_ready, moments_update

ZSCORE_DTYPE = MOMENTS_DTYPE


@compiled
def zscore_update(state: np.void, value: float, window: int) -> float:
    """Take one value; give its distance from the mean in deviations, NaN for the first `window - 1` values."""
    mean, deviation = moments_update(state, value, window)
    if deviation == 0.0:
        return 0.0
    return (value - mean) / deviation


@compiled
def zscore_ready(state: np.void, window: int) -> bool:
    """Whether `window` values were seen."""
    return moments_ready(state, window)
