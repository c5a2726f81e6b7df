"""The value a series had `window_ns` ago, for velocities: `value / lagged - 1` over the window.

Time is cut into 60 buckets as in `twap`; given is the last value before the oldest of them began. Its age lies
between 59/60 of the window and all of it.
"""

from __future__ import annotations

import math

import numpy as np

from engine.compiled import compiled
from engine.indicators.limits import TIME_BUCKETS

LAGGED_DTYPE = np.dtype(
    [
        ("count", "<i8"),  # values seen
        ("known", "<i8"),  # closed buckets that hold a value
        ("place", "<i8"),  # cell of the next bucket to close, which is the oldest
        ("last_ns", "<i8"),
        ("edge_ns", "<i8"),  # end of the open bucket
        ("value", "<f8"),  # newest value
        ("cells", "<f8", (TIME_BUCKETS,)),  # last value of each closed bucket
    ]
)


@compiled
def lagged_update(state: np.void, ts_ns: int, value: float, window_ns: int) -> float:
    """Take one value; give the one of `window_ns` ago, NaN before there is one. window_ns >= 60."""
    width = window_ns // TIME_BUCKETS
    if width < 1:
        return math.nan
    if state["count"] == 0:
        state["last_ns"] = ts_ns
        state["edge_ns"] = (ts_ns // width + 1) * width
    state["count"] += 1
    now_ns = max(ts_ns, state["last_ns"])
    state["last_ns"] = now_ns
    if now_ns >= state["edge_ns"]:
        lagged_advance(state, now_ns, width)
    state["value"] = value
    return state["cells"][state["place"]] if state["known"] >= TIME_BUCKETS else math.nan


@compiled
def lagged_advance(state: np.void, now_ns: int, width: int) -> None:
    """Close the buckets that ended by `now_ns` (at most 60), holding the newest value."""
    skip_ns = (now_ns // width - TIME_BUCKETS) * width
    if skip_ns >= state["edge_ns"]:
        state["edge_ns"] = skip_ns + width
    place = state["place"]
    while state["edge_ns"] <= now_ns:
        state["edge_ns"] += width
        state["cells"][place] = state["value"]
        state["known"] += 1
        place += 1
        if place == TIME_BUCKETS:
            place = 0
    state["place"] = place


@compiled
def lagged_ready(state: np.void) -> bool:
    """Whether there is a value as old as the window."""
    return state["known"] >= TIME_BUCKETS
