"""What traded in the last `window_ns`: number of trades, quantity, notional, mean price, volume-weighted price.

Time is cut into 60 buckets as in `twap`: the window holds the trades of the bucket that time is in and of the 59
before. The totals stand in the record after `trade_window_update` (a trade) or `trade_window_advance` (only time
passed).
"""

from __future__ import annotations

import math

import numpy as np

from engine.compiled import compiled
from engine.indicators.buckets import BUCKETS_DTYPE, buckets_close, buckets_sum
from engine.indicators.limits import CLOSED_BUCKETS, TIME_BUCKETS

TRADE_WINDOW_DTYPE = np.dtype(
    [
        ("first_ns", "<i8"),  # time of the first row
        ("last_ns", "<i8"),  # time of the newest row
        ("edge_ns", "<i8"),  # end of the open bucket; 0 before the first row
        ("price", "<f8"),  # newest trade price; 0 before the first
        ("trades", "<f8"),  # in the window
        ("quantity", "<f8"),  # traded in the window, base units
        ("notional", "<f8"),  # traded in the window, quote currency
        ("mean_price", "<f8"),  # mean over trades; the newest price where nothing traded
        ("vwap", "<f8"),  # notional / quantity; the newest price where nothing traded
        ("trades_sum", BUCKETS_DTYPE),
        ("price_sum", BUCKETS_DTYPE),
        ("quantity_sum", BUCKETS_DTYPE),
        ("notional_sum", BUCKETS_DTYPE),
    ]
)


@compiled
def trade_window_update(state: np.void, ts_ns: int, price: float, quantity: float, window_ns: int) -> float:
    """Take one trade; give the mean price of the window. A time before the newest row counts as its time."""
    if window_ns < TIME_BUCKETS:
        return math.nan
    trade_window_time(state, ts_ns, window_ns // TIME_BUCKETS)
    state["price"] = price
    state["trades_sum"]["open"] += 1.0
    state["price_sum"]["open"] += price
    state["quantity_sum"]["open"] += quantity
    state["notional_sum"]["open"] += price * quantity
    trade_window_totals(state)
    return state["mean_price"]


@compiled
def trade_window_advance(state: np.void, ts_ns: int, window_ns: int) -> float:
    """Let time pass without a trade; give the mean price of the window, NaN before the first trade."""
    if window_ns < TIME_BUCKETS or state["price"] == 0.0:
        return math.nan
    trade_window_time(state, ts_ns, window_ns // TIME_BUCKETS)
    trade_window_totals(state)
    return state["mean_price"]


@compiled
def trade_window_time(state: np.void, ts_ns: int, width: int) -> None:
    """Move to `ts_ns`, closing the buckets that ended by then."""
    if state["edge_ns"] == 0:
        state["first_ns"] = ts_ns
        state["last_ns"] = ts_ns
        state["edge_ns"] = (ts_ns // width + 1) * width
    state["last_ns"] = max(ts_ns, state["last_ns"])
    if state["last_ns"] >= state["edge_ns"]:
        trade_window_close(state, width)


@compiled
def trade_window_close(state: np.void, width: int) -> None:
    """Close the buckets that ended by the newest time (at most 59: what is older has left the window)."""
    skip_ns = (state["last_ns"] // width - CLOSED_BUCKETS) * width
    if skip_ns >= state["edge_ns"]:
        state["trades_sum"]["open"] = 0.0
        state["price_sum"]["open"] = 0.0
        state["quantity_sum"]["open"] = 0.0
        state["notional_sum"]["open"] = 0.0
        state["edge_ns"] = skip_ns + width
    while state["edge_ns"] <= state["last_ns"]:
        state["edge_ns"] += width
        buckets_close(state["trades_sum"])
        buckets_close(state["price_sum"])
        buckets_close(state["quantity_sum"])
        buckets_close(state["notional_sum"])


@compiled
def trade_window_totals(state: np.void) -> None:
    """Write the totals of the window into the record."""
    trades = buckets_sum(state["trades_sum"])
    quantity = buckets_sum(state["quantity_sum"])
    notional = buckets_sum(state["notional_sum"])
    state["trades"] = trades
    state["quantity"] = quantity
    state["notional"] = notional
    state["mean_price"] = buckets_sum(state["price_sum"]) / trades if trades > 0.0 else state["price"]
    state["vwap"] = notional / quantity if quantity > 0.0 else state["price"]


@compiled
def trade_window_ready(state: np.void, window_ns: int) -> bool:
    """Whether the rows seen span the window."""
    return state["edge_ns"] != 0 and state["last_ns"] - state["first_ns"] >= window_ns
