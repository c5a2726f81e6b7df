"""What formats of bars share: the interval, descending files, holes, volumes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.feeds.errors import BadMapping, FeedLimit, Unreadable
from engine.feeds.intake import Batch, Intake
from engine.feeds.mapping import interval_ns
from engine.feeds.pack import bar_rows
from engine.feeds.report import FindingCode, Lines
from engine.feeds.stamps import Stamped

DESCENDING_ROWS_MAX = 5_000_000  # a file that is newest first is turned round in memory
USUAL_RATIO_MIN = 0.5  # share of distances that must be the interval for it to be inferred
TRADES_MAX = 2**31 - 1

Floats = NDArray[np.float64]


class BarTable(NamedTuple):
    """Bars as the file has them. `instruments` is the local number of each row; prices are open, high, low, close."""

    stamped: Stamped
    prices: tuple[Floats, Floats, Floats, Floats]
    volume: Floats
    trades: NDArray[np.int64]
    instruments: NDArray[np.int32]
    lines: Lines


def bars(tables: Iterator[BarTable], intake: Intake, default_zone: str = "UTC") -> Iterator[Batch]:
    """Packed bars, oldest first.

    Raises:
        BadMapping: the interval can neither be inferred nor was given.
    """
    first = next(tables, None)
    if first is None:
        raise Unreadable(f"{intake.source.name} has no bars.", field="file")
    interval = interval_ns(intake.mapping.interval) if intake.mapping.interval else usual_distance(first, intake)
    tables = chain([first], tables)
    if _descends(first):
        tables = iter([_turned(tables, intake)])
    spacing = _Spacing(intake, interval)
    for table in tables:
        spacing.see(table)
        opened = intake.utc(table.stamped, default_zone, table.lines)
        later = Stamped(table.stamped.times + interval, table.stamped.local)
        closed = intake.utc(later, default_zone)
        rows = bar_rows(opened, closed, interval, table.prices)
        rows["volume"] = table.volume
        rows["trades"] = np.clip(table.trades, 0, TRADES_MAX)
        rows["instrument"] = table.instruments
        yield Batch(rows, table.lines)


def usual_distance(table: BarTable, intake: Intake) -> int:
    """The most frequent distance of neighbouring bars of one instrument, ns."""
    times = table.stamped.times[table.instruments == np.bincount(table.instruments).argmax()]
    distances = np.abs(np.diff(times))
    distances = distances[distances > 0]
    if len(distances):
        values, counts = np.unique(distances, return_counts=True)
        at = int(counts.argmax())
        if counts[at] >= USUAL_RATIO_MIN * len(distances):
            return int(values[at])
    raise BadMapping(
        f"The length of the bars of {intake.source.name} cannot be told: no distance of theirs is the usual one.",
        field="interval",
        hint="Give the option interval, for example interval=1m.",
    )


def _descends(table: BarTable) -> bool:
    steps = np.diff(table.stamped.times)
    return bool((steps < 0).sum() > (steps > 0).sum())


def _turned(tables: Iterator[BarTable], intake: Intake) -> BarTable:
    """All tables as one, last row first."""
    gathered: list[BarTable] = []
    for table in tables:
        gathered.append(table)
        if sum(len(one.lines) for one in gathered) > DESCENDING_ROWS_MAX:
            raise FeedLimit(
                f"{intake.source.name} is newest first and has over {DESCENDING_ROWS_MAX} rows.",
                field="file",
                hint="Sort it oldest first.",
            )
    intake.notes.add(FindingCode.DESCENDING, count=sum(len(one.lines) for one in gathered))

    def turned(*parts: NDArray) -> NDArray:
        return np.concatenate(parts)[::-1].copy()

    prices = tuple(turned(*(one.prices[at] for one in gathered)) for at in range(4))
    return BarTable(
        Stamped(turned(*(one.stamped.times for one in gathered)), gathered[0].stamped.local),
        (prices[0], prices[1], prices[2], prices[3]),
        turned(*(one.volume for one in gathered)),
        turned(*(one.trades for one in gathered)),
        turned(*(one.instruments for one in gathered)),
        turned(*(one.lines for one in gathered)),
    )


class _Spacing:
    """Notes holes and odd distances, per instrument, in the file's own clock."""

    def __init__(self, intake: Intake, interval: int) -> None:
        self._intake = intake
        self._interval = interval
        self._reached: dict[int, int] = {}
        self._largest = 0

    def see(self, table: BarTable) -> None:
        """More bars."""
        for number in np.unique(table.instruments):
            mine = table.instruments == number
            self._see_one(int(number), table.stamped.times[mine], table.lines[mine])

    def _see_one(self, number: int, times: NDArray[np.int64], lines: Lines) -> None:
        start = self._reached.get(number, int(times[0]) - self._interval)
        reached = np.maximum.accumulate(np.concatenate([[start], times]))
        steps = times - reached[:-1]
        holes = steps > self._interval
        self._intake.notes.add(FindingCode.IRREGULAR, lines[(steps > 0) & (steps % self._interval != 0)])
        if holes.any():
            self._largest = max(self._largest, int(steps.max()))
            detail = (
                f"the largest distance is {self._largest / self._interval:g} intervals of {self._interval / 1e9:g} s"
            )
            self._intake.notes.add(FindingCode.HOLES, lines[holes], detail=detail)
        self._reached[number] = int(reached[-1])
