"""Curves and fills for the tests of metrics and reports."""

from __future__ import annotations

import numpy as np

from engine.research.metrics.annualisation import DAY_NS
from engine.research.metrics.equity import Curve
from events.rows import FILL_DTYPE, Code, Rows

START_NS = 19_723 * DAY_NS  # 2024-01-01


def curve_of(returns: np.ndarray, initial: float = 10_000.0, period_ns: int = DAY_NS) -> Curve:
    """A curve with these period returns: the capital, then one mark before the end of each period."""
    equity = initial * np.concatenate([[1.0], np.cumprod(1.0 + returns)])
    closes = START_NS + np.arange(1, returns.size + 1) * period_ns - 1
    return Curve(np.concatenate([[START_NS], closes]).astype(np.int64), equity)


def fills_of(*rows: tuple[float, float, float], lane: int = 0, instrument: int = 0) -> Rows:
    """Fills of one lane, one second apart, out of (signed quantity, price, fee)."""
    fills = np.zeros(len(rows), FILL_DTYPE)
    for number, (signed, price, fee) in enumerate(rows):
        fill = fills[number]
        fill["ts_event_ns"], fill["order"] = START_NS + number * 1_000_000_000, number + 1
        fill["price"], fill["quantity"], fill["fee"] = price, abs(signed), fee
        fill["side"] = 1 if signed > 0 else -1
        fill["lane"], fill["instrument"] = lane, instrument
        fill["code"] = Code.ENTRY if number == 0 else Code.SIGNAL_EXIT
    return fills
