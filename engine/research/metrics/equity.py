"""The equity curve of a session: from marks, cut into periods, and how far it stood below its peak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.research.metrics.annualisation import Annualisation
from events.errors import InvalidInput
from events.rows import Rows

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

PERIODS_MAX = 10_000_000


@dataclass(frozen=True, slots=True)
class Curve:
    """Equity over time: `ts_ns` int64[n] ascending, ns UTC; `equity` float64[n], quote currency; n >= 1.

    The first point is the capital the session began with, so that a loss on the first day is a drawdown.

    Raises:
        InvalidInput: no point, lengths differ, times run backward, or a value is not finite.
    """

    ts_ns: Times
    equity: Floats

    def __post_init__(self) -> None:
        if self.ts_ns.ndim != 1 or self.ts_ns.shape != self.equity.shape or not self.ts_ns.size:
            raise InvalidInput(f"Equity curve of shapes {self.ts_ns.shape} and {self.equity.shape}.", field="equity")
        wrong = np.flatnonzero(~np.isfinite(self.equity))
        if wrong.size:
            raise InvalidInput(f"Equity at point {wrong[0]} is {self.equity[wrong[0]]}.", field="equity")
        backward = np.flatnonzero(np.diff(self.ts_ns) < 0)
        if backward.size:
            raise InvalidInput(f"Equity time runs backward at point {backward[0] + 1}.", field="ts_ns")

    @property
    def span_ns(self) -> int:
        """From the first point to the last."""
        return int(self.ts_ns[-1] - self.ts_ns[0])


def curve_from_marks(marks: Rows, initial_equity: float, start_ns: int | None = None) -> Curve:
    """The curve of a session's marks, begun with its capital.

    Args:
        marks: rows with `ts_event_ns` and `equity`, ascending (MARK_DTYPE).
        initial_equity: capital before the first row, quote currency.
        start_ns: loop time of the first row; the first mark's where absent (0 where there is no mark either).
    """
    ts_ns, equity = marks["ts_event_ns"].astype(np.int64), marks["equity"].astype(np.float64)
    first = int(ts_ns[0]) if ts_ns.size else 0
    begin = first if start_ns is None else start_ns
    return Curve(np.concatenate([[begin], ts_ns]).astype(np.int64), np.concatenate([[initial_equity], equity]))


def by_period(curve: Curve, annualisation: Annualisation) -> Curve:
    """The first point, then the last point of each period: float64[k + 1] for k periods.

    A period begins at a multiple of its length (UTC). Periods without a point repeat the one before, or are left out
    where `quiet` is "skip".

    Raises:
        InvalidInput: over `PERIODS_MAX` periods.
    """
    period_ns = annualisation.period_ns
    numbers = curve.ts_ns // period_ns
    ends = np.flatnonzero(np.append(np.diff(numbers) > 0, True))  # last point of each period that has one
    kept, values = numbers[ends], curve.equity[ends]
    if annualisation.quiet == "hold":
        periods = int(kept[-1] - kept[0]) + 1
        if periods > PERIODS_MAX:
            raise InvalidInput(
                f"{periods:,} periods of {annualisation.period}; the limit is {PERIODS_MAX:,}.",
                field="period_ns",
                hint="Choose a longer period.",
            )
        every = np.arange(kept[0], kept[0] + periods)
        values = values[np.searchsorted(kept, every, "right") - 1]
        kept = every
    closes = np.minimum((kept + 1) * period_ns, curve.ts_ns[-1])
    return Curve(np.append(curve.ts_ns[0], closes), np.append(curve.equity[0], values))


def returns_of(curve: Curve) -> Floats:
    """Simple returns `equity[i] / equity[i - 1] - 1`, float64[n - 1]. Meaningful only where all equity is above 0."""
    return curve.equity[1:] / curve.equity[:-1] - 1.0


def drawdowns_of(curve: Curve) -> Floats:
    """`equity / highest equity so far - 1`, float64[n], <= 0. Meaningful only where the first equity is above 0."""
    return curve.equity / np.maximum.accumulate(curve.equity) - 1.0
