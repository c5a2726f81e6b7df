"""How much faster than usual it trades: the rate of the last `window_ns` over the rate of the last `base_ns`.

`surge = (quantity in window / window) / (quantity in base / base)`, between 0 and `base / window`; until the rows
span the base, the time they span stands for it, and where nothing traded for the whole base it begins anew. Beside it
stand the *arrivals* of the window: instants at which something traded. One big order that sweeps the book is many
rows of one instant, a crowd is many instants.

Time is cut into 60 buckets per window as in `twap`.
"""

from __future__ import annotations

import math

import numpy as np

from engine.compiled import compiled
from engine.indicators.buckets import BUCKETS_DTYPE, buckets_close, buckets_sum
from engine.indicators.limits import CLOSED_BUCKETS, TIME_BUCKETS

SURGE_DTYPE = np.dtype(
    [
        ("first_ns", "<i8"),  # time of the first row, or of the first after a base without any
        ("last_ns", "<i8"),  # time of the newest row
        ("edge_ns", "<i8"),  # end of the window's open bucket; 0 before the first row
        ("base_edge_ns", "<i8"),  # end of the base's open bucket
        ("arrivals", "<f8"),  # instants in the window at which something traded
        ("quantity_sum", BUCKETS_DTYPE),
        ("arrivals_sum", BUCKETS_DTYPE),
        ("base_sum", BUCKETS_DTYPE),
    ]
)


@compiled
def surge_update(state: np.void, ts_ns: int, quantity: float, window_ns: int, base_ns: int) -> float:
    """Take one trade; give the surge, 0 where nothing traded. A time before the newest row counts as its time.

    quantity >= 0, window_ns >= 60, base_ns >= window_ns; shorter ones give NaN.
    """
    if window_ns < TIME_BUCKETS or base_ns < window_ns:
        return math.nan
    begins = state["edge_ns"] == 0
    if begins:
        state["first_ns"] = ts_ns
        state["last_ns"] = ts_ns
        state["edge_ns"] = surge_edge(ts_ns, window_ns)
        state["base_edge_ns"] = surge_edge(ts_ns, base_ns)
    if begins or ts_ns > state["last_ns"]:
        state["last_ns"] = max(ts_ns, state["last_ns"])
        surge_advance(state, window_ns, base_ns)
        state["arrivals_sum"]["open"] += 1.0
    state["quantity_sum"]["open"] += quantity
    state["base_sum"]["open"] += quantity
    state["arrivals"] = buckets_sum(state["arrivals_sum"])
    base = buckets_sum(state["base_sum"])
    if base <= 0.0:
        return 0.0
    seen_ns = max(min(state["last_ns"] - state["first_ns"], base_ns), window_ns)
    return buckets_sum(state["quantity_sum"]) / base * (seen_ns / window_ns)


@compiled
def surge_edge(ts_ns: int, window_ns: int) -> int:
    """End of the bucket that `ts_ns` is in."""
    width = window_ns // TIME_BUCKETS
    return (ts_ns // width + 1) * width


@compiled
def surge_advance(state: np.void, window_ns: int, base_ns: int) -> None:
    """Close the buckets that ended by the newest time; a window that all trades have left is emptied at once."""
    now_ns = state["last_ns"]
    if now_ns - state["edge_ns"] >= window_ns:
        surge_empty(state["quantity_sum"])
        surge_empty(state["arrivals_sum"])
        state["edge_ns"] = surge_edge(now_ns, window_ns)
    while state["edge_ns"] <= now_ns:
        state["edge_ns"] += window_ns // TIME_BUCKETS
        buckets_close(state["quantity_sum"])
        buckets_close(state["arrivals_sum"])
    if now_ns - state["base_edge_ns"] >= base_ns:
        surge_empty(state["base_sum"])
        state["first_ns"] = now_ns
        state["base_edge_ns"] = surge_edge(now_ns, base_ns)
    while state["base_edge_ns"] <= now_ns:
        state["base_edge_ns"] += base_ns // TIME_BUCKETS
        buckets_close(state["base_sum"])


@compiled
def surge_empty(sums: np.void) -> None:
    """Forget every bucket, in the place where the sums are."""
    sums["open"] = 0.0
    sums["head"] = 0.0
    for index in range(CLOSED_BUCKETS):
        sums["cells"][index] = 0.0


@compiled
def surge_ready(state: np.void, base_ns: int) -> bool:
    """Whether the rows seen since the last empty base span the base."""
    return state["edge_ns"] != 0 and state["last_ns"] - state["first_ns"] >= base_ns
