"""What the metric functions see of a finished session, and how one says that it is not defined."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.research.metrics.annualisation import DAY_NS, Annualisation
from engine.research.metrics.equity import Curve, Floats, by_period, drawdowns_of, returns_of
from events.rows import Rows

# Dispersion below this is the rounding noise of a constant series (64 units in the last place of 1 + return).
NOISE = 64 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Undefined:
    """The metric has no value; `reason` says why, in words a user can act on."""

    reason: str


Value = float | Undefined


@dataclass(frozen=True)
class SessionResult:
    """A finished session: its equity curve, its trades (TRADE_DTYPE[n]) and how to annualise."""

    curve: Curve
    trades: Rows
    annualisation: Annualisation

    @cached_property
    def periods(self) -> Curve:
        """The curve by period."""
        return by_period(self.curve, self.annualisation)

    @cached_property
    def returns(self) -> Floats:
        """Simple returns per period, float64[k]; rounding noise is 0. Only for an account that is not `ruined`."""
        returns = returns_of(self.periods)
        return np.where(np.abs(returns) < NOISE, 0.0, returns)

    @property
    def returns_count(self) -> int:
        """Number of returns."""
        return self.periods.equity.size - 1

    @cached_property
    def drawdowns(self) -> Floats:
        """At every point of the curve, not only at the ends of periods."""
        return drawdowns_of(self.curve)

    @cached_property
    def closed(self) -> Rows:
        """Trades that ended, TRADE_DTYPE[n]."""
        return self.trades[self.trades["open"] == 0]

    @property
    def initial(self) -> float:
        """Capital at the start, quote currency."""
        return float(self.curve.equity[0])

    @property
    def final(self) -> float:
        """Equity at the end, quote currency."""
        return float(self.curve.equity[-1])

    @property
    def span_days(self) -> float:
        """Length of the curve in days."""
        return self.curve.span_ns / DAY_NS

    def ruined(self) -> Undefined | None:
        """The reason why ratios of equity mean nothing, if they do not."""
        if self.initial <= 0.0:
            return Undefined("the session began without capital")
        if float(self.curve.equity.min()) <= 0.0:
            return Undefined("equity fell to zero or below")
        return None

    def too_few_returns(self, minimum: int) -> Undefined | None:
        """The reason why a metric of returns has no value, if it has none."""
        if self.returns_count < minimum:
            return Undefined(f"{self.returns_count} returns of {self.annualisation.period}; it needs {minimum}")
        return self.ruined()

    def deviation(self) -> Value:
        """Sample standard deviation of the returns (ddof 1), undefined for a constant series."""
        reason = self.too_few_returns(2)
        if reason:
            return reason
        deviation = float(np.std(self.returns, ddof=1))
        if deviation <= NOISE * max(1.0, float(np.abs(self.returns).max())):
            return Undefined("the returns are constant")
        return deviation
