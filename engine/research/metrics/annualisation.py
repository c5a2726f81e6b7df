"""How an equity curve is cut into periods, and how many of them make a year."""

from __future__ import annotations

from collections.abc import Iterable
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


EXCHANGE_TRADED = frozenset({"equity", "etf", "index"})  # asset types that trade for some hours of some days
TRADING_HOURS = 6.5  # of a day of the US exchanges


def annualisation_for(span_ns: int, asset_types: Iterable[str] = ()) -> Annualisation:
    """Days from 30 days on, hours from 2 days on, else minutes.

    Where every instrument trades on an exchange that closes, a year has 252 days of 6.5 hours, and what has no mark is
    left out; else the market never closes.

    Args:
        span_ns: from the first to the last mark, ns.
        asset_types: of the instruments, as the catalogue names them.
    """
    period_ns = DAY_NS if span_ns >= 30 * DAY_NS else HOUR_NS if span_ns >= 2 * DAY_NS else MINUTE_NS
    types = set(asset_types)
    return of_period(period_ns, closes=bool(types) and types <= EXCHANGE_TRADED)


def of_period(period_ns: int, *, closes: bool) -> Annualisation:
    """Returns of a period, of a market that closes or of one that never does. Periods are at most a day."""
    if not closes:
        return Annualisation(period_ns=period_ns, periods_per_year=CRYPTO_DAYS * (DAY_NS / period_ns))
    a_day = 1.0 if period_ns >= DAY_NS else TRADING_HOURS * HOUR_NS / period_ns
    return Annualisation(period_ns=period_ns, periods_per_year=EQUITY_DAYS * a_day, quiet="skip")
