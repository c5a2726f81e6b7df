"""Bars of several instruments as one path in time.

Bars of equal opening time come one behind the other; read whole in turn, the second's open would fill when the first's
close is known. So their rows (`engine.loop.bars`) are read in order of time, and a row is read as soon as no bar to
come can have an earlier one: when a bar opens behind it, or when every instrument's newest bar ends behind it. What
still waits is read before a command acts and at the end of the data. Which rows wait depends on the bars alone, never
on how they are cut into calls.

It is assumed that a source's bars are in order of opening, and that an instrument has bars of one interval at a time. A
bar that comes late is read at once. With one instrument no row ever waits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.loop.bars import ROWS_PER_BAR, expand_bars
from events.errors import LimitReached
from events.rows import MARKET_DTYPE, Rows

WAITING_ROWS_MAX = 262_144  # 12.6 MB; bars that all open at one time and never end
_NEVER = np.iinfo(np.int64).min

Places = NDArray[np.intp]


class BarPath:
    """Rows that wait, and up to where each instrument's bars reach."""

    def __init__(self, instruments: int) -> None:
        self._waiting: Rows = np.zeros(0, MARKET_DTYPE)
        self._ends: Rows = np.full(instruments, _NEVER, np.int64)  # of each instrument's newest bar
        self._opened: Rows = np.full(1, _NEVER, np.int64)  # the latest opening time

    @property
    def waiting(self) -> int:
        """Rows taken in and not read."""
        return len(self._waiting)

    def take(self, bars: Rows, instruments: NDArray[np.intp]) -> tuple[Rows, Places]:
        """Take in bars (BAR_DTYPE[n], each with its instrument's place in the session).

        Returns:
            MARKET_DTYPE[m], the rows that can be read now, in order; and the index of the bar with which each could.

        Raises:
            LimitReached: too many rows would wait.
        """
        rows = expand_bars(bars)
        came = np.arange(len(bars)).repeat(ROWS_PER_BAR)
        if len(self._ends) == 1:
            return rows, came
        rows = np.concatenate([self._waiting, rows])
        came = np.concatenate([np.zeros(self.waiting, came.dtype), came])
        read_with = np.maximum(came, np.searchsorted(self._heights(bars, instruments), rows["ts_event_ns"], "right"))
        now = read_with < len(bars)
        order = np.lexsort((rows["ts_event_ns"][now], read_with[now]))
        self._waiting = rows[~now]
        if self.waiting > WAITING_ROWS_MAX:
            raise LimitReached(
                f"{self.waiting // ROWS_PER_BAR:,} bars are open at once; the limit is "
                f"{WAITING_ROWS_MAX // ROWS_PER_BAR:,}."
            )
        return rows[now][order], read_with[now][order]

    def _heights(self, bars: Rows, instruments: NDArray[np.intp]) -> NDArray[np.int64]:
        """int64[n], ascending: after each bar, the time before which every row is known."""
        opened = np.maximum.accumulate(np.maximum(bars["ts_event_ns"], self._opened[0]))
        ends = bars["ts_event_ns"] + np.maximum(bars["interval_ns"], 1)
        known = np.full(len(bars), np.iinfo(np.int64).max)
        for place, end in enumerate(self._ends.tolist()):
            reached = np.maximum.accumulate(np.maximum(np.where(instruments == place, ends, _NEVER), end))
            known = np.minimum(known, reached)
            self._ends[place] = reached[-1] if len(bars) else end
        if len(bars):
            self._opened[0] = opened[-1]
        return np.maximum(opened, known)

    def rest(self) -> Rows:
        """The rows that wait, in order; none waits any more."""
        rows, self._waiting = self._waiting, np.zeros(0, MARKET_DTYPE)
        return rows[np.argsort(rows["ts_event_ns"], kind="stable")]

    @property
    def reached(self) -> list[Rows]:
        """Up to where the bars reach, to be kept and filled in place."""
        return [self._ends, self._opened]

    def rows(self) -> Rows:
        """The rows that wait."""
        return self._waiting

    def restore(self, waiting: bytes) -> None:
        """Let other rows wait: those of a snapshot."""
        self._waiting = np.frombuffer(waiting, MARKET_DTYPE).copy()
