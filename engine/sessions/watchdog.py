"""The watchdog: a thread that ends this process when a step of the loop takes too long, and leaves a note why.

A compiled kernel that never returns cannot be stopped from inside. The note outlives the process in the data folder;
the next process on that folder makes it a fact of the session (`engine.sessions.overruns`).
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable
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


class Watched:
    """A step that is watched while the body runs: it costs little, as most steps read one row."""

    __slots__ = ("_number", "_step", "_steps")

    def __init__(self, steps: dict[int, Step], number: int, step: Step) -> None:
        self._steps, self._number, self._step = steps, number, step

    def __enter__(self) -> None:
        self._steps[self._number] = self._step

    def __exit__(self, *_: object) -> None:
        del self._steps[self._number]


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
        self._steps: dict[int, Step] = {}
        self._numbers = itertools.count(1)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def step(self, step: Step) -> Watched:
        """Around one call of the loop, in the thread that makes it."""
        if self._thread is None:
            self._start()
        return Watched(self._steps, next(self._numbers), step)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        limit_ns = self._seconds_max * NS_PER_SECOND
        look_seconds = min(self._seconds_max / LOOKS, LOOK_SECONDS_MAX)
        waiting, before = threading.Event(), self._clock.monotonic_ns()
        taken: dict[int, int] = {}  # ns of each step that has not ended
        while True:
            waiting.wait(look_seconds)
            now = self._clock.monotonic_ns()
            # a process that stood still as a whole (stopped, swapped out) is no step that took long
            passed = min(now - before, round(2 * look_seconds * NS_PER_SECOND))
            before = now
            running = self._steps.copy()  # in one piece: steps begin and end in other threads
            taken = {number: taken.get(number, 0) + passed for number in running}
            if late := [step for number, step in running.items() if taken[number] > limit_ns]:
                try:
                    self._leave(late)
                except OSError:  # without its note, then: a step that does not end ends its process
                    log.exception("overrun_not_noted")
                finally:
                    self._end()
                return

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
