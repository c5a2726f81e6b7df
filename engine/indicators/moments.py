"""Mean and standard deviation of the last `window` values, the ground of Bollinger bands and the z-score.

Blocks as in `sma`, holding (mean, sum of squared deviations): values enter by Welford's step, the two parts of a
window are joined by Chan's formula. Nothing is subtracted, so a price of 60,000 with a deviation of 0.01 keeps its
digits and a constant window has a deviation of exactly 0. The deviation divides by `window` (population, as TA-Lib
`STDDEV`).
Source: Welford, Technometrics 4 (1962); Chan, Golub, LeVeque, The American Statistician 37 (1983).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from engine.indicators.limits import WINDOW_MAX

MOMENTS_DTYPE = np.dtype(
    [
        ("count", "<i8"),  # values seen
        ("place", "<i8"),  # values in the current block
        ("mean", "<f8"),  # of the current block
        ("squares", "<f8"),  # sum of squared deviations of the current block
        ("means", "<f8", (WINDOW_MAX,)),  # [:place] values of this block, [place:] suffix means of the block before
        ("sums", "<f8", (WINDOW_MAX,)),  # [place:] suffix sums of squared deviations of the block before
    ]
)


@njit(nogil=True)
def moments_update(state: np.void, value: float, window: int) -> tuple[float, float]:
    """Take one value; give (mean, deviation), NaN for the first `window - 1`. 1 <= window <= WINDOW_MAX."""
    if window < 1 or window > WINDOW_MAX:
        return math.nan, math.nan
    place = state["place"]
    state["means"][place] = value
    place += 1
    delta = value - state["mean"]
    mean = state["mean"] + delta / place
    squares = state["squares"] + delta * (value - mean)
    state["count"] += 1
    if place == window:
        moments_close(state, window)
        return mean, math.sqrt(squares / window)
    state["place"] = place
    state["mean"] = mean
    state["squares"] = squares
    if state["count"] < window:
        return math.nan, math.nan
    delta = mean - state["means"][place]
    share = place / window
    squares += state["sums"][place] + delta * delta * share * (window - place)
    return state["means"][place] + delta * share, math.sqrt(squares / window)


@njit(nogil=True)
def moments_close(state: np.void, window: int) -> None:
    """Turn the full block into suffix moments and begin an empty one."""
    means = state["means"]
    sums = state["sums"]
    mean = 0.0
    squares = 0.0
    for index in range(window - 1, 0, -1):
        value = means[index]
        delta = value - mean
        mean += delta / (window - index)
        squares += delta * (value - mean)
        means[index] = mean
        sums[index] = squares
    state["place"] = 0
    state["mean"] = 0.0
    state["squares"] = 0.0


@njit(nogil=True)
def moments_ready(state: np.void, window: int) -> bool:
    """Whether `window` values were seen."""
    return 1 <= window <= WINDOW_MAX and state["count"] >= window
