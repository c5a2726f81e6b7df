"""Mean and standard deviation of the last `window` values, the ground of Bollinger bands and the z-score.

Blocks as in `sma`, holding (mean, sum of squared deviations): values enter by Welford's step, the two parts of a
window are joined by Chan's formula. The mean of a block is the sum of the values' distances from the block's first,
divided once: so no division waits for the one before. No square is subtracted, so a price of 60,000 with a deviation
of 0.01 keeps its digits and a constant window has a deviation of exactly 0. The deviation divides by `window`
(population, as TA-Lib `STDDEV`).
Source: Welford, Technometrics 4 (1962); Chan, Golub, LeVeque, The American Statistician 37 (1983).
"""

from __future__ import annotations

import math

import numpy as np

from engine.compiled import compiled
from engine.indicators.limits import WINDOW_MAX

MOMENTS_DTYPE = np.dtype(
    [
        ("count", "<i8"),  # values seen
        ("place", "<i8"),  # values in the current block
        ("total", "<f8"),  # sum over the current block of the values' distances from its first
        ("mean", "<f8"),  # of those distances
        ("squares", "<f8"),  # sum of squared deviations of the current block
        ("means", "<f8", (WINDOW_MAX,)),  # [:place] values of this block, [place:] suffix means of the block before
        ("sums", "<f8", (WINDOW_MAX,)),  # [place:] suffix sums of squared deviations of the block before
    ]
)


@compiled
def moments_update(state: np.void, value: float, window: int) -> tuple[float, float]:
    """Take one value; give (mean, deviation), NaN for the first `window - 1`. 1 <= window <= WINDOW_MAX."""
    mean, squares = moments_step(state, value, window)
    if not squares >= 0.0:
        return math.nan, math.nan
    return mean, math.sqrt(squares / window)


@compiled
def moments_step(state: np.void, value: float, window: int) -> tuple[float, float]:
    """The same without the root: (mean, sum of squared deviations)."""
    if window < 1 or window > WINDOW_MAX:
        return math.nan, math.nan
    means = state["means"]
    place = state["place"]
    means[place] = value
    anchor = means[0]
    place += 1
    away = value - anchor
    share = 1.0 / place
    delta = away - state["mean"]
    total = state["total"] + away
    mean = total * share
    squares = state["squares"] + delta * delta * (1.0 - share)
    state["count"] += 1
    if place == window:
        moments_close(state, window)
        return anchor + mean, squares
    state["place"] = place
    state["total"] = total
    state["mean"] = mean
    state["squares"] = squares
    if state["count"] < window:
        return math.nan, math.nan
    delta = anchor + mean - means[place]
    share = place / window
    squares += state["sums"][place] + delta * delta * share * (window - place)
    return means[place] + delta * share, squares


@compiled
def moments_close(state: np.void, window: int) -> None:
    """Turn the full block into suffix moments and begin an empty one."""
    means = state["means"]
    sums = state["sums"]
    anchor = means[window - 1]
    total = 0.0
    mean = 0.0
    squares = 0.0
    for index in range(window - 1, 0, -1):
        away = means[index] - anchor
        share = 1.0 / (window - index)
        delta = away - mean
        total += away
        mean = total * share
        squares += delta * delta * (1.0 - share)
        means[index] = anchor + mean
        sums[index] = squares
    state["place"] = 0
    state["total"] = 0.0
    state["mean"] = 0.0
    state["squares"] = 0.0


@compiled
def moments_ready(state: np.void, window: int) -> bool:
    """Whether `window` values were seen."""
    return 1 <= window <= WINDOW_MAX and state["count"] >= window
