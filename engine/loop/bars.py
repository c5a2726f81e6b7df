"""Bars as the loop reads them: four market rows each, on the path open, nearer extreme, other extreme, close.

Where both extremes are as near, a falling bar meets its high first and another its low first. A quarter of the volume
goes to each row, exact in binary, so the four sum to the volume without rest. A bar without volume whose prices differ
comes from a source that has no quantities: its rows say so, and the participation limit does not apply. A bar without
volume and without movement is a bar in which nothing traded, and nothing fills on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from events.rows import MARKET_DTYPE, MarketFlag, MarketKind, Rows

ROWS_PER_BAR = 4


def expand_bars(bars: Rows) -> Rows:
    """MARKET_DTYPE[4 n] of BAR_DTYPE[n]: opening time, two times a third apart, 1 ns before the closing time."""
    rows = np.zeros(ROWS_PER_BAR * len(bars), MARKET_DTYPE)
    open_, high, low, close = (bars[name] for name in ("open", "high", "low", "close"))
    up, down = np.abs(high - open_), np.abs(open_ - low)
    high_first = (up < down) | ((up == down) & (close < open_))
    no_quantity = (bars["volume"] == 0.0) & (high != low)
    path: tuple[tuple[Any, MarketFlag], ...] = (
        (open_, MarketFlag.BAR_OPEN),
        (np.where(high_first, high, low), MarketFlag.BAR_NEAR),
        (np.where(high_first, low, high), MarketFlag.BAR_FAR),
        (close, MarketFlag.BAR_CLOSE),
    )
    third_ns = bars["interval_ns"] // 3
    delays_ns = (0 * third_ns, third_ns, 2 * third_ns, np.maximum(bars["interval_ns"] - 1, 0))
    for place, ((price, flag), delay_ns) in enumerate(zip(path, delays_ns, strict=True)):
        part = rows[place::ROWS_PER_BAR]
        part["ts_event_ns"] = bars["ts_event_ns"] + delay_ns
        part["ts_received_ns"] = bars["ts_received_ns"]
        part["price"] = price
        part["quantity"] = bars["volume"] * 0.25
        part["instrument"] = bars["instrument"]
        part["kind"] = MarketKind.TRADE
        part["flags"] = int(flag) + np.where(no_quantity, int(MarketFlag.NO_QUANTITY), 0)
    return rows
