"""Gain for the risk taken."""

from __future__ import annotations

import math

import numpy as np

from engine.research.metrics.returns import annualized_return
from engine.research.metrics.risk import downside_volatility, max_drawdown
from engine.research.metrics.session_result import SessionResult, Undefined, Value


def sharpe_ratio(result: SessionResult) -> Value:
    """Mean return over its deviation, per year, with a riskless rate of 0."""
    deviation = result.deviation()
    if isinstance(deviation, Undefined):
        return deviation
    return float(np.mean(result.returns)) / deviation * math.sqrt(result.annualisation.periods_per_year)


def sortino_ratio(result: SessionResult) -> Value:
    """Mean return over the downside deviation, per year, with a target of 0."""
    reason = result.too_few_returns(2)
    if reason:
        return reason
    downside = downside_volatility(result)
    if isinstance(downside, Undefined):
        return downside
    if downside == 0.0:
        return Undefined("no return is negative")
    return float(np.mean(result.returns)) * result.annualisation.periods_per_year / downside


def calmar_ratio(result: SessionResult) -> Value:
    """Annualised return over the deepest drawdown."""
    growth, depth = annualized_return(result), max_drawdown(result)
    if isinstance(growth, Undefined):
        return growth
    if isinstance(depth, Undefined):
        return depth
    if depth == 0.0:
        return Undefined("equity never fell below its peak")
    return growth / abs(depth)


def omega_ratio(result: SessionResult) -> Value:
    """Sum of the positive returns over that of the negative ones."""
    reason = result.too_few_returns(2)
    if reason:
        return reason
    losses = -math.fsum(result.returns[result.returns < 0.0])
    if losses == 0.0:
        return Undefined("no return is negative")
    return math.fsum(result.returns[result.returns > 0.0]) / losses
