"""Verbs as programs of their own, which are interrupted and must leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import psutil

from tests.api.cli.verbs import Done

MARK = "CHILDREN_OF"  # a variable that every process of one data folder carries
START_SECONDS_MAX = 60.0
END_SECONDS_MAX = 60.0


class Child:
    """`python -m api.cli ARGUMENTS` in a session of its own, its output read as it comes."""

    def __init__(
        self, data: Path, *arguments: str, env: Mapping[str, str] | None = None, stdout: IO[str] | None = None
    ) -> None:
        self.data = data
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TAPEDECK_")}
        if "TAPEDECK_CACHE_DIR" in os.environ:
            clean["TAPEDECK_CACHE_DIR"] = os.environ["TAPEDECK_CACHE_DIR"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "--data", str(data), *arguments],
            env={**clean, "TAPEDECK_MARKET_STORE": "duckdb", MARK: str(data), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._lines: dict[str, list[str]] = {"out": [], "err": []}
        self._came = threading.Condition()
        streams = (("out", self.process.stdout), ("err", self.process.stderr))
        self._readers = [threading.Thread(target=self._read, args=one, daemon=True) for one in streams]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str, stream: object) -> None:
        for line in stream or ():  # type: ignore[attr-defined]
            with self._came:
                self._lines[name].append(line)
                self._came.notify_all()

    def text(self, name: str = "out") -> str:
        """What it said so far on `out` or `err`."""
        with self._came:
            return "".join(self._lines[name])

    def wait_for(self, word: str, seconds: float = START_SECONDS_MAX) -> str:
        """Wait until a word was said, on either stream; the line. Raises AssertionError where it is not."""

        def found() -> str | None:
            return next((line for lines in self._lines.values() for line in lines if word in line), None)

        with self._came:
            self._came.wait_for(lambda: found() is not None or self.process.poll() is not None, seconds)
            line = found()
        assert line is not None, f"never said {word!r}\n{self.text()}\n{self.text('err')}"
        return line

    def interrupt(self, number: int = signal.SIGINT) -> Done:
        """As Ctrl-C in a terminal: the signal reaches the whole group of processes."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
        return self.ended()

    def ended(self) -> Done:
        """Wait for its end; what it did."""
        try:
            code = self.process.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.close()
            raise AssertionError(f"it did not end\n{self.text()}\n{self.text('err')}") from None
        for reader in self._readers:
            reader.join(END_SECONDS_MAX)
        return Done(code, self.text(), self.text("err"))

    def close(self) -> None:
        """End it, however far it is."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def left_behind(data: Path) -> list[str]:
    """Command lines of processes that work for a data folder."""
    found = []
    for one in psutil.process_iter():
        try:
            mine = one.environ().get(MARK) == str(data) or any(str(data) in word for word in one.cmdline())
            if mine and one.pid != os.getpid() and one.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{one.pid} {' '.join(one.cmdline())[:200]}")
        except psutil.Error:
            continue
    return found
