"""Returns by calendar: hours, days and months of a session."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.research.metrics.annualisation import DAY_NS, HOUR_NS, Annualisation
from engine.research.metrics.equity import Curve, by_period, returns_of

PERIODS_MIN = 3  # fewer bars say nothing
HOURS_MAX = 72
DAYS_MAX = 400


class PeriodReturns(NamedTuple):
    """`period` in words, `starts` of the periods as ISO text (UTC), `returns` as shares of one."""

    period: str
    starts: list[str]
    returns: list[float]


def period_returns(curve: Curve) -> PeriodReturns | None:
    """Returns by hour for a session of hours, by day for one of days, else by month; None where there are too few."""
    if curve.equity.min() <= 0.0:
        return None
    for period, length, most in (("hour", HOUR_NS, HOURS_MAX), ("day", DAY_NS, DAYS_MAX)):
        first, last = int(curve.ts_ns[0]) // length, int(curve.ts_ns[-1]) // length
        count = last - first + 1
        if count > most:
            continue
        if count < PERIODS_MIN:
            return None
        returns = returns_of(by_period(curve, Annualisation(period_ns=length)))
        starts = (np.arange(first, last + 1) * length).astype("datetime64[ns]")
        return PeriodReturns(
            period, [str(start)[: 16 if period == "hour" else 10] for start in starts], returns.tolist()
        )
    months = monthly_returns(curve)
    return PeriodReturns("month", [f"{year}-{month:02}" for year, month in months], list(months.values()))


def monthly_returns(curve: Curve) -> dict[tuple[int, int], float]:
    """(year, month) -> return, for sessions that touch two months or more; a month without a mark has 0."""
    months = curve.ts_ns.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    if months[-1] == months[0] or curve.equity.min() <= 0.0:
        return {}
    every = np.arange(months[0], months[-1] + 1)
    ends = np.searchsorted(months, every, "right") - 1
    equity = np.append(curve.equity[0], curve.equity[ends])
    returns = equity[1:] / equity[:-1] - 1.0
    return {(1970 + int(m) // 12, 1 + int(m) % 12): float(r) for m, r in zip(every, returns, strict=True)}
