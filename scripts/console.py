"""How the scripts speak: one line a step with its time, and one clear line when a step cannot be done."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
NAME_WIDTH = 12
TEXT_WIDTH = 84


class Trouble(Exception):
    """A step that cannot be done: what is wrong, where, and what to do."""


class Step:
    """One step that is under way. On a terminal its line is rewritten as it goes on; elsewhere lines are only added."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self.name = name
        self.stream = stream
        self.result = ""
        self.advice = ""
        self._terminal = stream.isatty()

    def show(self, text: str) -> None:
        """Say what is being done now."""
        self._write(text, end="" if self._terminal else "\n")

    def tick(self, text: str) -> None:
        """Say how far it is; only a terminal hears it."""
        if self._terminal:
            self._write(text, end="")

    def give_way(self) -> None:
        """Leave the line as it is: another program speaks below it."""
        if self._terminal:
            self.stream.write("\n")
            self.stream.flush()

    def finish(self, text: str) -> None:
        """Say what came out, as the step's last line."""
        self._write(text, end="\n")

    def _write(self, text: str, end: str) -> None:
        start = "\r\x1b[2K" if self._terminal else ""
        cut = text[:TEXT_WIDTH] if end == "" else text
        self.stream.write(f"{start}  {self.name:<{NAME_WIDTH}}{cut}{end}")
        self.stream.flush()


@contextmanager
def step(name: str, doing: str, stream: TextIO | None = None) -> Iterator[Step]:
    """Announce a step, time it and print its result with the seconds it took."""
    current = Step(name, stream or sys.stdout)
    began = time.perf_counter()
    current.show(doing)
    try:
        yield current
    except BaseException:
        current.finish(f"failed after {time.perf_counter() - began:.1f} s")
        raise
    current.finish(f"{current.result or 'done'} ({time.perf_counter() - began:.1f} s)")
    current.stream.write(current.advice)
