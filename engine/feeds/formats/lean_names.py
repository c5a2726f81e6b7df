"""What the names of Lean's zips say: a day, a symbol, a market. Ticks have their day nowhere else."""

from __future__ import annotations

import re
from datetime import date

import numpy as np

from engine.feeds.errors import BadMapping
from engine.feeds.intake import Intake
from engine.feeds.stamps import Stamped, Times

DAY_MS = 86_400_000
MS = 1_000_000

_TICK = re.compile(r"(?P<day>\d{8})_(?P<symbol>[a-z0-9.]+)_(?P<rest>.*)\.csv")
_DAY = re.compile(r"(?<!\d)(\d{8})(?!\d)")
MARKETS = ("fxcm", "oanda")


def day_of(intake: Intake) -> date:
    """The day of a file of ticks: the option date, else the member's name, else the zip's.

    Raises:
        BadMapping: none of them says.
    """
    if intake.mapping.date:
        return _date(intake.mapping.date.replace("-", ""))
    for name in (intake.source.member, intake.source.name):
        found = _DAY.search(name)
        if found:
            return _date(found[1])
    raise BadMapping(f"The name of {intake.source.name} has no day.", field="date", hint="Give date=YYYY-MM-DD.")


def _date(digits: str) -> date:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        raise BadMapping(f"{digits} is no day of the calendar.", field="date") from None


def symbol_of(intake: Intake) -> str:
    """The symbol in upper case: of the option, of `20131007_spy_Trade_Tick.csv`, or of `aapl.csv`."""
    name = intake.source.member or intake.source.name
    tick = _TICK.fullmatch(name.lower())
    plain = tick["symbol"] if tick else name.split(".")[0]
    return intake.symbol("" if _DAY.search(plain) else plain.upper())


def market_of(intake: Intake) -> str:
    """`FXCM` or `OANDA` where the name of the file says so, else `US`."""
    parts = re.split(r"[^a-z]+", intake.source.name.lower())
    return next((market.upper() for market in MARKETS if market in parts), "US")


def times_of_day(counts: Times, day: date) -> Stamped:
    """Local times of counts of milliseconds since midnight; one outside the day is unreadable later on."""
    midnight = (day.toordinal() - date(1970, 1, 1).toordinal()) * DAY_MS
    inside = (counts >= 0) & (counts < DAY_MS)
    times = (np.where(inside, counts, 0) + midnight) * MS
    return Stamped(np.where(inside, times, np.iinfo(np.int64).min), True)
