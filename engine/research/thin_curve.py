"""The equity of a run while it goes on, as few points of it as its returns per period need."""

from __future__ import annotations

import numpy as np

from engine.research.metrics.annualisation import annualisation_for
from engine.research.metrics.equity import Curve, Floats, Times
from engine.research.metrics.ratios import sharpe_ratio
from engine.research.metrics.session_result import SessionResult, Undefined
from engine.research.metrics.trades import TRADE_DTYPE
from events.facts import SessionSpec
from events.rows import Rows

NO_TRADES = np.zeros(0, TRADE_DTYPE)


class ThinCurve:
    """Of one run: the last mark of each period. Periods grow with the curve as `annualisation_for` has them, and the
    last mark of a day is the last of one of its minutes: what is left gives the same returns as all marks.
    """

    def __init__(self, cash: float) -> None:
        self._cash = cash
        self._first_ns = 0
        self._ts_ns: Times = np.empty(0, np.int64)
        self._equity: Floats = np.empty(0, np.float64)
        self._lowest = cash

    def add(self, marks: Rows) -> None:
        """More marks, MARK_DTYPE[n], ascending."""
        if not len(marks):
            return
        ts_ns = np.concatenate([self._ts_ns, marks["ts_event_ns"].astype(np.int64)])
        equity = np.concatenate([self._equity, marks["equity"].astype(np.float64)])
        if not self._ts_ns.size:
            self._first_ns = int(ts_ns[0])
        self._lowest = min(self._lowest, float(marks["equity"].min()))
        period_ns = annualisation_for(int(ts_ns[-1]) - self._first_ns).period_ns
        kept = np.append(np.diff(ts_ns // period_ns) > 0, True)
        self._ts_ns, self._equity = ts_ns[kept], equity[kept]

    def curve(self) -> Curve:
        """What is left, begun with the capital."""
        begin = np.array([self._first_ns], np.int64)
        return Curve(np.concatenate([begin, self._ts_ns]), np.concatenate([[self._cash], self._equity]))

    def sharpe_ratio(self, spec: SessionSpec) -> float | None:
        """As the metrics of a backtest have it; None where they have none."""
        if self._lowest <= 0.0:
            return None
        curve = self.curve()
        how = annualisation_for(curve.span_ns, [one.asset_type for one in spec.instruments])
        value = sharpe_ratio(SessionResult(curve, NO_TRADES, how))
        return None if isinstance(value, Undefined) else value
