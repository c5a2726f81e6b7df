"""Lengths of the bars that a strategy decides on."""

from __future__ import annotations

from typing import Literal

NS_PER_MINUTE = 60 * 1_000_000_000

Timeframe = Literal["", "1m", "5m", "15m", "1h", "4h", "1d"]

# Length of each, ns; empty: none.
TIMEFRAME_NS: dict[Timeframe, int] = {
    "": 0,
    "1m": NS_PER_MINUTE,
    "5m": 5 * NS_PER_MINUTE,
    "15m": 15 * NS_PER_MINUTE,
    "1h": 60 * NS_PER_MINUTE,
    "4h": 240 * NS_PER_MINUTE,
    "1d": 1_440 * NS_PER_MINUTE,
}
