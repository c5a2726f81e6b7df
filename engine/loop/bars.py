"""Bars as the loop reads them: four market rows each, on the path open, nearer extreme, other extreme, close.

Where both extremes are as near, a falling bar meets its high first and another its low first. A quarter of the volume
goes to each row, exact in binary, so the four sum to the volume without rest. A bar without volume whose prices differ
comes from a source that has no quantities: its rows say so, and the participation limit does not apply. A bar without
volume and without movement is a bar in which nothing traded, and nothing fills on it.
"""

from __future__ import annotations

import numpy as np

from engine.loop.records import Record
from events.errors import Bug
from events.rows import BAR_DTYPE, MARKET_DTYPE, MarketFlag, MarketKind, Rows

ROWS_PER_BAR = 4


def expand_bars(bars: Rows) -> Rows:
    """MARKET_DTYPE[4 n] of BAR_DTYPE[n], by the compiled `expand`: opening time, thirds, 1 ns before the closing time.

    Raises:
        Bug: other rows than bars.
    """
    from engine.loop.module import core  # it inlines this file

    if bars.dtype != BAR_DTYPE or bars.ndim != 1:
        raise Bug(f"Bars are expanded from bar rows, not {bars.dtype}.")
    rows = np.empty(ROWS_PER_BAR * len(bars), MARKET_DTYPE)
    core().expand(np.ascontiguousarray(bars), rows)
    return rows


def expand(bars: Record, rows: Record) -> int:
    """Write MARKET_DTYPE[4 n] of BAR_DTYPE[n] to `rows`, every field of it; give how many rows."""
    for at in range(len(bars)):
        bar = bars[at]
        high_first = high_comes_first(bar)
        third_ns = bar["interval_ns"] // 3
        flags = 0
        if bar["volume"] == 0.0 and bar["high"] != bar["low"]:
            flags = int(MarketFlag.NO_QUANTITY)
        first = ROWS_PER_BAR * at
        near = bar["high"] if high_first else bar["low"]
        far = bar["low"] if high_first else bar["high"]
        write_step(bar, rows[first], bar["open"], 0, flags | MarketFlag.BAR_OPEN)
        write_step(bar, rows[first + 1], near, third_ns, flags | MarketFlag.BAR_NEAR)
        write_step(bar, rows[first + 2], far, 2 * third_ns, flags | MarketFlag.BAR_FAR)
        write_step(bar, rows[first + 3], bar["close"], max(bar["interval_ns"] - 1, 0), flags | MarketFlag.BAR_CLOSE)
    return ROWS_PER_BAR * len(bars)


def high_comes_first(bar: Record) -> bool:
    """Whether the high is the nearer extreme."""
    up = abs(bar["high"] - bar["open"])
    down = abs(bar["open"] - bar["low"])
    return up < down or (up == down and bar["close"] < bar["open"])


def write_step(bar: Record, row: Record, price: float, delay_ns: int, flags: int) -> None:
    """One of the four rows."""
    row["ts_event_ns"] = bar["ts_event_ns"] + delay_ns
    row["ts_received_ns"] = bar["ts_received_ns"]
    row["price"] = price
    row["quantity"] = bar["volume"] * 0.25
    row["id"] = 0
    row["instrument"] = bar["instrument"]
    row["kind"] = MarketKind.TRADE
    row["side"] = 0
    row["flags"] = flags
