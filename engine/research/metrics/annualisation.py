"""How an equity curve is cut into periods, and how many of them make a year."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS

CRYPTO_DAYS = 365.0  # trades on every day
EQUITY_DAYS = 252.0  # trading days of a year on the US exchanges


class Annualisation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Period of the returns and what turns them into yearly figures.

    `quiet` says what a period without any mark is: "hold" (the market was open, nothing changed: a return of 0) or
    "skip" (the market was closed: no return), so that weekends do not dilute a ratio annualised with 252 days.
    """

    period_ns: Annotated[int, Meta(gt=0, description="length of one period, ns; aligned to the epoch, UTC")] = DAY_NS
    periods_per_year: Annotated[float, Meta(gt=0, description="periods in a year")] = CRYPTO_DAYS
    quiet: Literal["hold", "skip"] = "hold"
    span_days_min: Annotated[float, Meta(ge=0, description="shortest curve whose yearly growth is given, days")] = 7.0

    @property
    def period(self) -> str:
        """The period in words, such as "1 h"."""
        for unit, length in (("d", DAY_NS), ("h", HOUR_NS), ("min", MINUTE_NS), ("s", SECOND_NS)):
            if self.period_ns % length == 0:
                return f"{self.period_ns // length} {unit}"
        return f"{self.period_ns} ns"


def annualisation_for(span_ns: int) -> Annualisation:
    """For a market that never closes: days from 30 days on, hours from 2 days on, else minutes.

    Args:
        span_ns: from the first to the last mark, ns.
    """
    if span_ns >= 30 * DAY_NS:
        return Annualisation()
    if span_ns >= 2 * DAY_NS:
        return Annualisation(period_ns=HOUR_NS, periods_per_year=CRYPTO_DAYS * 24)
    return Annualisation(period_ns=MINUTE_NS, periods_per_year=CRYPTO_DAYS * 24 * 60)
