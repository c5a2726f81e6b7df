"""Time-weighted average price of the last `window_ns`: each price counts as long as it held.

`TWAP(t) = integral of price over [s, t] / (t - s)`. Time is cut into buckets of `width = window_ns // 60` ns, aligned
to the epoch; `s` is the start of the oldest of the 60 buckets that end with the one t is in (so `t - s` lies between
59/60 and all of the window), or the first row where that is later. A price has no weight before time has passed.
"""

from __future__ import annotations

import math

import numpy as np

from engine.compiled import compiled
from engine.indicators.buckets import BUCKETS_DTYPE, buckets_close, buckets_sum
from engine.indicators.limits import CLOSED_BUCKETS, TIME_BUCKETS

TWAP_DTYPE = np.dtype(
    [
        ("count", "<i8"),  # rows seen
        ("first_ns", "<i8"),  # time of the first row
        ("last_ns", "<i8"),  # time of the newest row
        ("edge_ns", "<i8"),  # end of the open bucket
        ("price", "<f8"),  # newest price
        ("integral", BUCKETS_DTYPE),  # price x ns
    ]
)


@compiled
def twap_update(state: np.void, ts_ns: int, price: float, window_ns: int) -> float:
    """Take one price; give the average. A time before the newest row counts as its time. window_ns >= 60."""
    width = window_ns // TIME_BUCKETS
    if width < 1:
        return math.nan
    if state["count"] == 0:
        state["first_ns"] = ts_ns
        state["last_ns"] = ts_ns
        state["edge_ns"] = (ts_ns // width + 1) * width
    state["count"] += 1
    now_ns = max(ts_ns, state["last_ns"])
    if now_ns >= state["edge_ns"]:
        twap_advance(state, now_ns, width)
    integral = state["integral"]
    integral["open"] += state["price"] * (now_ns - state["last_ns"])
    state["last_ns"] = now_ns
    state["price"] = price
    held_ns = now_ns - max(state["first_ns"], state["edge_ns"] - TIME_BUCKETS * width)
    return buckets_sum(integral) / held_ns if held_ns > 0 else price


@compiled
def twap_advance(state: np.void, now_ns: int, width: int) -> None:
    """Close the buckets that ended by `now_ns` (at most 59: what is older has left the window), holding the price."""
    integral = state["integral"]
    skip_ns = (now_ns // width - CLOSED_BUCKETS) * width
    if skip_ns >= state["edge_ns"]:
        integral["open"] = 0.0
        state["last_ns"] = skip_ns
        state["edge_ns"] = skip_ns + width
    while state["edge_ns"] <= now_ns:
        integral["open"] += state["price"] * (state["edge_ns"] - state["last_ns"])
        state["last_ns"] = state["edge_ns"]
        state["edge_ns"] += width
        buckets_close(integral)


@compiled
def twap_ready(state: np.void, window_ns: int) -> bool:
    """Whether the rows seen span the window."""
    return state["count"] > 0 and state["last_ns"] - state["first_ns"] >= window_ns
