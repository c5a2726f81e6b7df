"""Rotation of a process's own log: a file that has grown is put aside under a number, and a new one begun.

The process swaps the file under its own standard output and error in one step (dup2), so no line is lost or halved.
What is put aside counts up, `api.log.1` the newest; the oldest beyond the bound is deleted.
"""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
STANDARD = (1, 2)


class Rotation:
    """Looks after the log of this process, where that is a file of a folder of ours."""

    def __init__(self, folder: Path, size_max: int, files_max: int, outputs: tuple[int, ...] = STANDARD) -> None:
        self._folder = folder.resolve()
        self._size_max = size_max
        self._files_max = files_max
        self._outputs = outputs

    def start(self) -> None:
        """Look now and then, in a thread of its own, as long as the process lives."""
        if self.file() is not None:
            threading.Thread(target=self._run, name="log-rotation", daemon=True).start()

    def file(self) -> Path | None:
        """The file that standard error is; None where it is none of our folder."""
        output = self._outputs[-1]
        try:
            if not stat.S_ISREG(os.fstat(output).st_mode):
                return None
            path = Path(os.readlink(f"/proc/self/fd/{output}"))
        except OSError:
            return None
        return path if path.parent == self._folder and path.suffix == ".log" else None

    def look(self) -> bool:
        """Rotate if the file has grown; whether it was."""
        path = self.file()
        if path is None or os.fstat(self._outputs[-1]).st_size < self._size_max:
            return False
        self._put_aside(path)
        fresh = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        same = [each for each in self._outputs if os.path.sameopenfile(each, self._outputs[-1])]
        for output in same:
            os.dup2(fresh, output)
        os.close(fresh)
        return True

    def _put_aside(self, path: Path) -> None:
        for number in range(self._files_max - 1, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{number + 1}"))
        path.replace(path.with_name(f"{path.name}.1"))

    def _run(self) -> None:
        wait = threading.Event()
        while not wait.wait(LOOK_SECONDS):
            try:
                self.look()
            except OSError as error:  # a full disk: it goes on in the file it has
                log.warning("log_not_rotated", error=str(error))
