"""The watchdog: a thread that ends this process when a step of the loop takes too long, and leaves a note why.

A compiled kernel that never returns cannot be stopped from inside. The note outlives the process in the data folder;
the next process on that folder makes it a fact of the session (`engine.sessions.overruns`).
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import structlog

from events.children import write_private
from events.clock import NS_PER_SECOND, Clock
from events.facts import Place

log = structlog.get_logger(__name__)

EXIT_CODE = 75  # of a process that its watchdog ended
LOOKS = 20  # in the time that a step may take
LOOK_SECONDS_MAX = 0.25


class Step(msgspec.Struct, frozen=True):
    """What a step reads: inputs from `first_input` up to, without, `last_input` at most; `at` is its first row."""

    session: str
    research: bool
    engine: str
    epoch: int  # of the claim
    first_input: int
    last_input: int
    at: Place


class Note(msgspec.Struct, frozen=True):
    """A step that took longer than `seconds`, on the tape of this epoch."""

    tape_epoch: str
    step: Step
    seconds: float


class Watchdog:
    """Watches the steps of all sessions of this process. Steps may begin and end in any thread."""

    def __init__(
        self,
        folder: Path,
        tape_epoch: str,
        seconds_max: float,
        clock: Clock,
        end: Callable[[], None] | None = None,
    ) -> None:
        self._folder = folder
        self._tape_epoch = tape_epoch
        self._seconds_max = seconds_max
        self._clock = clock
        self._end = end or end_process
        self._lock = threading.Lock()
        self._steps: dict[int, tuple[Step, int]] = {}  # with the time it has taken so far, ns
        self._next = 0
        self._thread: threading.Thread | None = None

    @contextmanager
    def step(self, step: Step) -> Iterator[None]:
        """Around one call of the loop, in the thread that makes it."""
        with self._lock:
            self._next += 1
            number = self._next
            self._steps[number] = (step, 0)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._steps[number]

    def _watch(self) -> None:
        look_seconds = min(self._seconds_max / LOOKS, LOOK_SECONDS_MAX)
        waiting, before = threading.Event(), self._clock.monotonic_ns()
        while True:
            waiting.wait(look_seconds)
            now = self._clock.monotonic_ns()
            # a process that stood still as a whole (stopped, swapped out) is no step that took long
            passed = min(now - before, round(2 * look_seconds * NS_PER_SECOND))
            before = now
            if late := self._late(passed):
                self._leave(late)
                self._end()
                return

    def _late(self, passed_ns: int) -> list[Step]:
        with self._lock:
            self._steps = {number: (step, taken + passed_ns) for number, (step, taken) in self._steps.items()}
            return [step for step, taken in self._steps.values() if taken > self._seconds_max * NS_PER_SECOND]

    def _leave(self, late: list[Step]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for step in late:
            path = self._folder / f"{step.session}.{step.epoch}.json"
            write_private(path, msgspec.json.encode(Note(self._tape_epoch, step, self._seconds_max)))
            log.error(
                "step_overran",
                session=step.session,
                epoch=step.epoch,
                first_input=step.first_input,
                last_input=step.last_input,
                sequence=step.at.sequence,
                index=step.at.index,
                step_seconds_max=self._seconds_max,
            )


def end_process() -> None:
    """At once: the thread that makes the step does not listen."""
    sys.stderr.flush()
    os._exit(EXIT_CODE)
