"""Which of several results is best. Ties are won by the first; a figure that is not defined loses to every number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from engine.research.metrics.measure import Measurements


class Best(NamedTuple):
    """Places in the list that was given."""

    by_return: int
    by_sharpe: int
    by_drawdown: int


def best(results: Sequence[Measurements]) -> Best:
    """The greatest total return and Sharpe ratio, and the shallowest drawdown (they are negative: the greatest)."""
    return Best(*(greatest(results, name) for name in ("total_return", "sharpe_ratio", "max_drawdown")))


def greatest(results: Sequence[Measurements], name: str) -> int:
    """Place of the greatest value of a metric, the first of equals."""
    values = [one.value(name) for one in results]
    return max(range(len(values)), key=lambda at: (-math.inf if (value := values[at]) is None else value, -at))
