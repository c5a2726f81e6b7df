"""Times of a column to int64 ns: counts since 1970 in any unit, typed datetimes, and text."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.feeds.report import FindingCode, Lines, Notes

TIME_MIN_NS = 0  # 1970-01-01
TIME_MAX_NS = 7_258_118_400_000_000_000  # 2200-01-01
SAMPLE_VALUES = 100  # that are tried for the form of a column of text
RUNS_RATIO_MAX = 0.7  # runs of equal text per row, up to which it pays to parse each run once
BAD_TIME = np.iinfo(np.int64).min  # stands for a time that could not be read

Times = NDArray[np.int64]

# Counts below each bound are of this unit. A count of seconds reaches 1e10 in 2286; one of milliseconds had 1e10 in
# April 1970, and so on.
_UNITS: tuple[tuple[int, int, str], ...] = (
    (10**10, 1_000_000_000, "s"),
    (10**13, 1_000_000, "ms"),
    (10**16, 1_000, "us"),
)

# (first value, polars format, whether it names its offset)
_TEXTS: tuple[tuple[str, str, bool], ...] = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z", "%Y-%m-%d{}%H:%M:%S%.fZ", True),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d", "%Y-%m-%d{}%H:%M:%S%.f%:z", True),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?", "%Y-%m-%d{}%H:%M:%S%.f", False),
    (r"\d{4}-\d\d-\d\d \d\d-[AP]M", "12-hour", False),
    (r"\d{4}-\d\d-\d\d", "%Y-%m-%d", False),
    (r"\d{4}\.\d\d\.\d\d \d\d:\d\d:\d\d", "%Y.%m.%d %H:%M:%S", False),
    (r"\d{8} \d{6}", "%Y%m%d %H%M%S", False),
    (r"\d{8} \d\d:\d\d", "%Y%m%d %H:%M", False),
)


class Stamped(NamedTuple):
    """Times in ns (`BAD_TIME` where unreadable); `local` where they are of a zone that the column does not name."""

    times: Times
    local: bool


def stamps(column: pl.Series, notes: Notes, lines: Lines) -> Stamped:
    """Times of a column of counts, datetimes or text."""
    if column.dtype == pl.Datetime:
        aware = column.dtype.time_zone is not None  # type: ignore[attr-defined]
        whole = column.dt.epoch("ns") if column.dtype.time_unit == "ns" else column.dt.epoch("us")  # type: ignore[attr-defined]
        return Stamped(_from_us(whole) if column.dtype.time_unit != "ns" else _filled(whole), not aware)  # type: ignore[attr-defined]
    if column.dtype == pl.Date:
        return Stamped(_from_us(column.cast(pl.Datetime("us")).dt.epoch("us")), True)
    if column.dtype == pl.String:
        return text_stamps(column)
    return Stamped(counted(_filled(column.cast(pl.Int64, strict=False)), notes, lines), False)


def counted(counts: Times, notes: Notes, lines: Lines, what: str = "") -> Times:
    """ns of counts since 1970; the unit of each count is told by its size. Several units are a finding."""
    if len(counts) == 0:
        return counts
    low, high = int(counts.min()), int(counts.max())
    scale, unit = _unit(high)
    if _unit(low) == (scale, unit):
        return counts * scale if high <= TIME_MAX_NS // scale and low >= 0 else _each(counts)
    units = [_unit(int(one))[1] for one in (low, high)]
    other = np.flatnonzero(_scales(counts) != _unit(int(counts[0]))[0])
    notes.add(FindingCode.MIXED_CLOCKS, lines[other], detail=f"{what} {' and '.join(units)}".strip())
    return _each(counts)


def _unit(count: int) -> tuple[int, str]:
    return next(((scale, name) for bound, scale, name in _UNITS if count < bound), (1, "ns"))


def _scales(counts: Times) -> Times:
    scales = np.ones(len(counts), np.int64)
    for bound, scale, _ in reversed(_UNITS):
        scales[counts < bound] = scale
    return scales


def _each(counts: Times) -> Times:
    scales = _scales(counts)
    fits = (counts >= 0) & (counts <= TIME_MAX_NS // scales)
    return np.where(fits, np.where(fits, counts, 0) * scales, BAD_TIME)


def text_stamps(column: pl.Series) -> Stamped:
    """Times of a column of text, all in the form of the first value that has a known one."""
    for value in column.drop_nulls().head(SAMPLE_VALUES).to_list():
        for pattern, form, aware in _TEXTS:
            if re.fullmatch(pattern, value):
                return Stamped(_once_a_run(column, form.format("T" if "T" in value else " "), value), not aware)
    return Stamped(np.full(len(column), BAD_TIME, np.int64), False)


def _once_a_run(column: pl.Series, form: str, first: str) -> Times:
    """Times of text; neighbours with the same text (most ticks) are parsed once."""
    starts = np.flatnonzero(column.ne_missing(column.shift(1)).to_numpy())
    starts = starts if len(starts) and starts[0] == 0 else np.append(0, starts)
    if len(starts) > len(column) * RUNS_RATIO_MAX:
        return _parsed(column, form, first)
    return np.repeat(_parsed(column.gather(starts), form, first), np.diff(np.append(starts, len(column))))


def _parsed(column: pl.Series, form: str, first: str) -> Times:
    if form == "12-hour":
        day = column.str.slice(0, 10).str.to_datetime("%Y-%m-%d", time_unit="us", strict=False).dt.epoch("us")
        hour = column.str.slice(11, 2).cast(pl.Int64, strict=False)
        hour = hour.set(~hour.is_between(1, 12).fill_null(False), None) % 12
        hour = hour + 12 * (column.str.slice(14, 2) == "PM").cast(pl.Int64)
        return _from_us(day + hour * 3_600_000_000)
    whole = column.str.to_datetime(form, time_unit="us", strict=False).dt.epoch("us")
    times = _from_us(whole)
    fraction = re.search(r"\.(\d{7,9})", first)
    if fraction and (times != BAD_TIME).all():  # finer than microseconds: the coarse parse proved that ns fit
        return _filled(column.str.to_datetime(form, time_unit="ns", strict=False).dt.epoch("ns"))
    return times


def _filled(column: pl.Series) -> Times:
    return column.fill_null(BAD_TIME).to_numpy()


def _from_us(column: pl.Series) -> Times:
    """ns of microseconds; what lies outside 1970 to 2200 is `BAD_TIME` (polars would wrap it)."""
    micros = _filled(column)
    fits = (micros >= TIME_MIN_NS // 1000) & (micros <= TIME_MAX_NS // 1000)
    return micros * 1000 if fits.all() else np.where(fits, np.where(fits, micros, 0) * 1000, BAD_TIME)
