"""What this process answered and sent, counted: answers by method and status, and how long things took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from events.durations import ANSWER_SECONDS, Durations, Timing


class Sample(NamedTuple):
    """One line: a metric, its labels and its value. `part` is the suffix of a histogram's line."""

    metric: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    part: str = ""


def histogram(timing: Timing, labels: tuple[tuple[str, str], ...] = ()) -> Iterator[Sample]:
    """The lines of a metric that takes times; `labels` beside its own."""
    labels = (*timing.labels, *labels)
    total = 0
    for bound, count in zip((*map(repr, timing.bounds), "+Inf"), timing.counts, strict=True):
        total += count
        yield Sample(timing.metric, total, (*labels, ("le", bound)), "_bucket")
    yield Sample(timing.metric, timing.seconds, labels, "_sum")
    yield Sample(timing.metric, total, labels, "_count")


class Requests:
    """Counts of what this process answered; a handful of additions a request."""

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, int]] = Counter()
        self._took = Durations("tapedeck_request_seconds", ANSWER_SECONDS)

    def note(self, method: str, status: int, seconds: float, *, streams: bool) -> None:
        """One answer."""
        self._answers[method, status] += 1
        if not streams:
            self._took.note(seconds)

    def samples(self) -> Iterator[Sample]:
        """What was counted so far."""
        for (method, status), count in sorted(self._answers.items()):
            yield Sample("tapedeck_requests_total", count, (("method", method), ("status", str(status))))
        yield from histogram(self._took.timing())
