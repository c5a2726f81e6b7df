"""Shape of the returns."""

from __future__ import annotations

import numpy as np

from engine.research.metrics.risk import TAIL_RETURNS_MIN
from engine.research.metrics.session_result import SessionResult, Undefined, Value


def _standardised(result: SessionResult, minimum: int) -> np.ndarray | Undefined:
    """Returns less their mean, over the sample deviation, float64[k]."""
    deviation = result.too_few_returns(minimum) or result.deviation()
    if isinstance(deviation, Undefined):
        return deviation
    return (result.returns - result.returns.mean()) / deviation


def skewness(result: SessionResult) -> Value:
    """Adjusted third moment; below 0: the long tail is on the side of the losses."""
    scores = _standardised(result, 3)
    if isinstance(scores, Undefined):
        return scores
    n = scores.size
    return n / ((n - 1) * (n - 2)) * float(np.sum(scores**3))


def kurtosis(result: SessionResult) -> Value:
    """Adjusted fourth moment less that of the normal distribution."""
    scores = _standardised(result, 4)
    if isinstance(scores, Undefined):
        return scores
    n = scores.size
    raw = n * (n + 1) / ((n - 1) * (n - 2) * (n - 3)) * float(np.sum(scores**4))
    return raw - 3.0 * (n - 1) ** 2 / ((n - 2) * (n - 3))


def tail_ratio(result: SessionResult) -> Value:
    """95th percentile of the returns over the 5th, without signs."""
    reason = result.too_few_returns(TAIL_RETURNS_MIN)
    if reason:
        return reason
    low, high = np.percentile(result.returns, [5, 95])
    if low == 0.0:
        return Undefined("the 5th percentile of the returns is 0")
    return float(abs(high) / abs(low))
