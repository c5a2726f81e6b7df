"""Local times to UTC. A zone is an IANA name or a fixed offset, and may be shifted by whole hours."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from engine.feeds.errors import BadMapping

NS = 1_000_000_000
DAY_NS = 86_400 * NS
QUARTER_NS = 900 * NS  # no zone changes its clock off a quarter of an hour

_SHIFTED = re.compile(r"(?P<zone>.+?)(?P<shift>[+-]\d{1,2})h")
_FIXED = re.compile(r"UTC(?P<sign>[+-])(?P<hours>\d{1,2})(:(?P<minutes>\d{2}))?")

Times = NDArray[np.int64]


class Zone(NamedTuple):
    """A time zone; local times are `shift_ns` ahead of `rules`."""

    name: str
    rules: tzinfo
    shift_ns: int = 0

    @property
    def fixed(self) -> bool:
        """Whether its distance to UTC never changes."""
        return isinstance(self.rules, timezone)


def zone_of(name: str) -> Zone:
    """The zone of a name such as `America/New_York`, `UTC`, `UTC-05`, `America/New_York+7h`.

    Raises:
        BadMapping: no such zone.
    """
    shifted = _SHIFTED.fullmatch(name)
    if shifted:
        return Zone(name, _rules(shifted["zone"]), int(shifted["shift"]) * 3600 * NS)
    return Zone(name, _rules(name))


def _rules(name: str) -> tzinfo:
    fixed = _FIXED.fullmatch(name)
    if fixed:
        minutes = int(fixed["hours"]) * 60 + int(fixed["minutes"] or 0)
        if minutes < 24 * 60:
            return timezone(timedelta(minutes=minutes if fixed["sign"] == "+" else -minutes))
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        hint = "Use an IANA name (America/New_York), UTC, UTC-05, or one shifted (America/New_York+7h)."
        raise BadMapping(f"There is no time zone {name!r}.", field="zone", hint=hint) from None


class Utc(NamedTuple):
    """Times in UTC and how many of the local times a clock change makes twice or never."""

    times: Times
    twice: NDArray[np.bool_]
    never: NDArray[np.bool_]


def to_utc(local_ns: Times, zone: Zone) -> Utc:
    """UTC of local times (int64[n], ns since 1970 as if they were UTC).

    A time that happens twice is its first occurrence; one that never happens is read with the offset before the
    change (PEP 495, fold 0).
    """
    clear = np.zeros(len(local_ns), np.bool_)
    wall = local_ns - zone.shift_ns
    if zone.fixed or len(wall) == 0:
        offset = zone.rules.utcoffset(None) or timedelta()
        return Utc(wall - _ns(offset), clear, clear)
    starts, lengths = _runs(wall // DAY_NS)
    days = wall[starts] // DAY_NS
    offsets = np.repeat([_day_offset(int(day), zone.rules) or 0 for day in days], lengths)
    changing = np.repeat([_day_offset(int(day), zone.rules) is None for day in days], lengths)
    twice, never = clear.copy(), clear.copy()
    for at in np.flatnonzero(changing):
        quarter = int(wall[at]) // QUARTER_NS
        offsets[at], twice[at], never[at] = _quarter_offset(quarter, zone.rules)
    return Utc(wall - offsets, twice, never)


def _runs(values: Times) -> tuple[Times, Times]:
    """Starts and lengths of runs of equal values."""
    starts = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(np.diff(values)) + 1])
    return starts, np.diff(np.append(starts, len(values)))


@lru_cache(maxsize=65_536)
def _day_offset(day: int, rules: tzinfo) -> int | None:
    """Offset in ns of a local day; None where it changes within the day."""
    first, last = _offset(day * DAY_NS, rules, 0), _offset((day + 1) * DAY_NS, rules, 0)
    return first if first == last else None


@lru_cache(maxsize=4_096)
def _quarter_offset(quarter: int, rules: tzinfo) -> tuple[int, bool, bool]:
    """Offset in ns of a local quarter of an hour, whether it happens twice, whether it never happens."""
    first, second = _offset(quarter * QUARTER_NS, rules, 0), _offset(quarter * QUARTER_NS, rules, 1)
    return first, second < first, second > first


def _offset(wall_ns: int, rules: tzinfo, fold: int) -> int:
    moment = datetime(1970, 1, 1) + timedelta(microseconds=wall_ns // 1000)  # noqa: DTZ001 - local until given rules
    return _ns(moment.replace(tzinfo=rules, fold=fold).utcoffset() or timedelta())


def _ns(offset: timedelta) -> int:
    return (offset.days * 86_400 + offset.seconds) * NS
