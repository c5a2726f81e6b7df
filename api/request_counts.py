"""What this process answered and sent, counted: answers by method and status, and how long things took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Sample(NamedTuple):
    """One line: a metric, its labels and its value. `part` is the suffix of a histogram's line."""

    metric: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    part: str = ""


class Durations:
    """How long something took, as a histogram of one metric."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._buckets = [0] * (len(BUCKETS_SECONDS) + 1)
        self._seconds = 0.0

    def note(self, seconds: float) -> None:
        """It took so long once."""
        self._seconds += seconds
        self._buckets[sum(seconds > bound for bound in BUCKETS_SECONDS)] += 1

    def samples(self) -> Iterator[Sample]:
        """What was noted so far."""
        total = 0
        for bound, count in zip((*map(repr, BUCKETS_SECONDS), "+Inf"), self._buckets, strict=True):
            total += count
            yield Sample(self._name, total, (("le", bound),), "_bucket")
        yield Sample(self._name, self._seconds, part="_sum")
        yield Sample(self._name, total, part="_count")


class Requests:
    """Counts of what this process answered; a handful of additions a request."""

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, int]] = Counter()
        self._took = Durations("tapedeck_request_seconds")

    def note(self, method: str, status: int, seconds: float, *, streams: bool) -> None:
        """One answer."""
        self._answers[method, status] += 1
        if not streams:
            self._took.note(seconds)

    def samples(self) -> Iterator[Sample]:
        """What was counted so far."""
        for (method, status), count in sorted(self._answers.items()):
            yield Sample("tapedeck_requests_total", count, (("method", method), ("status", str(status))))
        yield from self._took.samples()
