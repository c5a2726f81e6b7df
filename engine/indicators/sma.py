"""Simple moving average of the last `window` values.

The rows are cut into blocks of `window`. The average is made of the sum of what the current block holds so far and of a
suffix sum of the block before it, which is computed once when that block is full: O(1) amortised, nothing is ever
subtracted, and no sum outlives two windows, so a long run cannot drift and a spike leaves no residue.
Source: TA-Lib `SMA`; block sums after van Herk and Gil-Werman.
"""

from __future__ import annotations

import math

import numpy as np

from engine.compiled import compiled
from engine.indicators.limits import WINDOW_MAX

SMA_DTYPE = np.dtype(
    [
        ("count", "<i8"),  # values seen
        ("place", "<i8"),  # values in the current block
        ("head", "<f8"),  # sum of the current block
        ("cells", "<f8", (WINDOW_MAX,)),  # [:place] values of this block, [place:] suffix sums of the block before
    ]
)


@compiled
def sma_update(state: np.void, value: float, window: int) -> float:
    """Take one value; give the mean of the last `window`, NaN for the first `window - 1`. 1 <= window <= WINDOW_MAX."""
    if window < 1 or window > WINDOW_MAX:
        return math.nan
    cells = state["cells"]
    place = state["place"]
    cells[place] = value
    head = state["head"] + value
    place += 1
    state["count"] += 1
    if place < window:
        state["place"] = place
        state["head"] = head
        return (cells[place] + head) / window if state["count"] >= window else math.nan
    suffix = 0.0
    for index in range(window - 1, 0, -1):
        suffix += cells[index]
        cells[index] = suffix
    state["place"] = 0
    state["head"] = 0.0
    return head / window


@compiled
def sma_ready(state: np.void, window: int) -> bool:
    """Whether `window` values were seen."""
    return 1 <= window <= WINDOW_MAX and state["count"] >= window
