"""How busy the cores of this machine are: one measure of a process, whoever asks from whichever thread."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

import psutil

WINDOW_SECONDS = 0.5  # a figure is over no less: times of processors are counted in hundredths
OLD_SECONDS = 10.0  # what was measured from longer ago does not tell how it is now
LOOK_SECONDS = 0.2  # how long it is measured then, and at first


class Times(NamedTuple):
    """Seconds of an average core since the machine started."""

    whole: float
    busy: float


class CpuMeter:
    """The share of busy cores, from times that it keeps itself: those of `psutil.cpu_percent` are each thread's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since = _times()
        self._percent: float | None = None

    def percent(self) -> float:
        """Of all cores, 0 to 100, over the last seconds. May take `LOOK_SECONDS`: ask it in a thread."""
        with self._lock:
            now = _times()
            seconds = now.whole - self._since.whole
            if seconds > OLD_SECONDS or (self._percent is None and seconds < LOOK_SECONDS):
                self._since, now = now, _later()
                self._percent = None
            if self._percent is None or seconds >= WINDOW_SECONDS:
                self._percent, self._since = _share(self._since, now), now
            return self._percent


def _times() -> Times:
    """Without what counts twice (guests are in `user` and `nice`), waiting for a disk as idle."""
    one = psutil.cpu_times()
    cores = psutil.cpu_count() or 1
    whole = sum(one) - getattr(one, "guest", 0.0) - getattr(one, "guest_nice", 0.0)
    return Times(whole / cores, (whole - one.idle - getattr(one, "iowait", 0.0)) / cores)


def _later() -> Times:
    time.sleep(LOOK_SECONDS)
    return _times()


def _share(since: Times, now: Times) -> float:
    whole = now.whole - since.whole
    return round(100 * min(1.0, max(0.0, now.busy - since.busy) / whole), 1) if whole > 0 else 0.0


METER = CpuMeter()
