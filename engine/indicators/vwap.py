"""Volume-weighted average price of the last `window` rows: `sum(price * quantity) / sum(quantity)`.

Where the window traded nothing it is the newest price. Blocks as in `sma`. For a window in time see `trade_window`.
"""

from __future__ import annotations

import math

import numpy as np

from engine.compiled import compiled
from engine.indicators.limits import WINDOW_MAX

VWAP_DTYPE = np.dtype(
    [
        ("count", "<i8"),  # rows seen
        ("place", "<i8"),  # rows in the current block
        ("notional", "<f8"),  # sums of the current block
        ("quantity", "<f8"),
        ("notionals", "<f8", (WINDOW_MAX,)),  # [:place] rows of this block, [place:] suffix sums of the block before
        ("quantities", "<f8", (WINDOW_MAX,)),
    ]
)


@compiled
def vwap_update(state: np.void, price: float, quantity: float, window: int) -> float:
    """Take one trade; give the average, NaN for the first `window - 1`. quantity >= 0, 1 <= window <= WINDOW_MAX."""
    if window < 1 or window > WINDOW_MAX:
        return math.nan
    place = state["place"]
    state["notionals"][place] = price * quantity
    state["quantities"][place] = quantity
    notional = state["notional"] + price * quantity
    total = state["quantity"] + quantity
    place += 1
    state["count"] += 1
    if place == window:
        vwap_close(state, window)
    else:
        state["place"] = place
        state["notional"] = notional
        state["quantity"] = total
        if state["count"] < window:
            return math.nan
        notional += state["notionals"][place]
        total += state["quantities"][place]
    return notional / total if total > 0.0 else price


@compiled
def vwap_close(state: np.void, window: int) -> None:
    """Turn the full block into suffix sums and begin an empty one."""
    notionals = state["notionals"]
    quantities = state["quantities"]
    for index in range(window - 2, 0, -1):
        notionals[index] += notionals[index + 1]
        quantities[index] += quantities[index + 1]
    state["place"] = 0
    state["notional"] = 0.0
    state["quantity"] = 0.0


@compiled
def vwap_ready(state: np.void, window: int) -> bool:
    """Whether `window` rows were seen."""
    return 1 <= window <= WINDOW_MAX and state["count"] >= window
