"""A file per process: the first slot of a folder that nobody holds."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from events.errors import LimitReached

SLOTS_MAX = 32


class Slot:
    """`slot-<number>` of a folder, locked until `release` or the end of the process, however it ends."""

    def __init__(self, folder: Path, number: int, lock: int) -> None:
        self.folder = folder
        self.number = number
        self.path = folder / f"slot-{number}.duckdb"
        self._lock = lock

    def release(self) -> None:
        """Let another process have it; the file stays."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def claim(folder: Path, slots_max: int = SLOTS_MAX) -> Slot:
    """The lowest free slot.

    Raises:
        LimitReached: `slots_max` processes hold one each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(slots_max):
        lock = os.open(folder / f"slot-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return Slot(folder, number, lock)
    raise LimitReached(
        f"{slots_max} processes hold the read-model files in {folder} (slots_max).",
        hint="Stop one, or give this one another data folder.",
    )
