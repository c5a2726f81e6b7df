"""How much was at stake on the way."""

from __future__ import annotations

import math

import numpy as np

from engine.research.metrics.session_result import SessionResult, Undefined, Value

TAIL_RATIO = 0.05
TAIL_RETURNS_MIN = 20  # with fewer returns, a tail of 5 % holds none


def volatility(result: SessionResult) -> Value:
    """Deviation of the returns, per year; 0 for a constant series."""
    reason = result.too_few_returns(2)
    if reason:
        return reason
    return float(np.std(result.returns, ddof=1)) * math.sqrt(result.annualisation.periods_per_year)


def downside_volatility(result: SessionResult) -> Value:
    """Root mean square of the negative returns over all periods, per year."""
    reason = result.too_few_returns(1)
    if reason:
        return reason
    losses = np.minimum(result.returns, 0.0)
    return float(np.sqrt(np.mean(losses * losses))) * math.sqrt(result.annualisation.periods_per_year)


def max_drawdown(result: SessionResult) -> Value:
    """Deepest fall below the highest equity so far."""
    if result.initial <= 0.0:
        return Undefined("the session began without capital")
    return float(result.drawdowns.min())


def max_drawdown_duration(result: SessionResult) -> Value:
    """Longest time from a peak until equity was back at it, or until the end."""
    if result.initial <= 0.0:
        return Undefined("the session began without capital")
    ts_ns = result.curve.ts_ns
    peaks = np.flatnonzero(result.drawdowns == 0.0)
    under = np.append(peaks[1:], ts_ns.size - 1)  # a run of peaks is never under water: only its last one counts
    below = (under - peaks > 1) | (result.drawdowns[under] < 0.0)
    if not below.any():
        return 0.0
    return float((ts_ns[under] - ts_ns[peaks])[below].max()) / result.annualisation.period_ns


def var95(result: SessionResult) -> Value:
    """Return that one period in twenty falls below."""
    reason = result.too_few_returns(TAIL_RETURNS_MIN)
    if reason:
        return reason
    return float(np.percentile(result.returns, 100 * TAIL_RATIO))


def cvar95(result: SessionResult) -> Value:
    """Mean of the worst twentieth of the returns."""
    reason = result.too_few_returns(TAIL_RETURNS_MIN)
    if reason:
        return reason
    last = int((result.returns.size - 1) * TAIL_RATIO)
    return float(np.mean(np.sort(result.returns)[: last + 1]))
