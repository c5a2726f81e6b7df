"""Counting rows that equal an earlier one at the same time. They are real separate events and are never dropped."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.feeds.intake import Intake
from engine.feeds.report import FindingCode
from engine.feeds.tables import Table

TAIL_ROWS_MAX = 1_000_000  # rows at one time that are compared across two tables


class Repeats:
    """Compares whole rows by hash (64 bits) within one table and with the last moment of the table before."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._time = 0
        self._tail: NDArray[np.uint64] = np.zeros(0, np.uint64)

    def see(self, table: Table, times: NDArray[np.int64]) -> None:
        """More rows; `times` int64[n] is the time of each."""
        if not len(times):
            return
        hashes = table.frame.hash_rows(seed=0).to_numpy()
        tail = self._tail if times[0] == self._time else self._tail[:0]
        both = np.concatenate([tail, hashes])
        count = _repeats_in(both) - _repeats_in(tail)
        if count:
            named = table.lines[:0]
            if self._intake.notes.names_more(FindingCode.REPEATS_KEPT):
                first = pl.Series(both).is_first_distinct().to_numpy()
                named = table.lines[~first[len(tail) :]]
            self._intake.notes.add(FindingCode.REPEATS_KEPT, named, count=count)
        self._time = int(times[-1])
        at_end = int(np.searchsorted(times[::-1] != self._time, True))
        keeps_tail = at_end == len(times) and len(tail) > 0
        self._tail = (both if keeps_tail else hashes[len(times) - at_end :])[-TAIL_ROWS_MAX:]


def _repeats_in(hashes: NDArray[np.uint64]) -> int:
    ordered = np.sort(hashes)
    return int(np.count_nonzero(ordered[1:] == ordered[:-1]))
