"""How long things take, counted by length: a histogram of one process. Nothing that decides reads it."""

from __future__ import annotations

from bisect import bisect_left

import msgspec

ANSWER_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ORDER_SECONDS = (0.0005, 0.001, 0.0025, *ANSWER_SECONDS)
SHOWN_SECONDS = (*ANSWER_SECONDS, 30.0, 60.0)
JOB_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)


class Timing(msgspec.Struct, frozen=True):
    """What was noted of one metric. `counts` has one more than `bounds`: what took longer than all of them."""

    metric: str
    bounds: tuple[float, ...]  # s, each included
    counts: tuple[int, ...]
    seconds: float  # sum
    labels: tuple[tuple[str, str], ...] = ()


class Durations:
    """Counts of one metric; noting one costs a search among the bounds."""

    def __init__(self, metric: str, bounds: tuple[float, ...], labels: tuple[tuple[str, str], ...] = ()) -> None:
        self._metric, self._bounds, self._labels = metric, bounds, labels
        self._counts = [0] * (len(bounds) + 1)
        self._seconds = 0.0

    def note(self, seconds: float) -> None:
        """It took so long once; where the clocks of two machines differ, less than nothing is nothing."""
        seconds = max(0.0, seconds)
        self._seconds += seconds
        self._counts[bisect_left(self._bounds, seconds)] += 1

    def timing(self) -> Timing:
        """What was noted so far."""
        return Timing(self._metric, self._bounds, tuple(self._counts), self._seconds, self._labels)


def order_durations() -> Durations:
    """From the tape's stamp of a tick until an order that it led to is on the tape; one for a process's sessions."""
    return Durations("tapedeck_tick_to_order_seconds", ORDER_SECONDS)
