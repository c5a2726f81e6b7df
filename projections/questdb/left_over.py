"""Who runs on a data folder: us, a left-over of ours, or somebody else.

`running.json` names the child of this folder: its pid, the process's start time (a pid alone is used again by the
system) and the boot it ran under. The lock on `owner.lock` is held by the process that started it, and lets go when
that process ends in whatever way.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

import msgspec
import psutil

from events.errors import Conflict

START_SECONDS_APART_MAX = 2.0  # the system's clock may be set while a process runs
RUNNING = "running.json"
ACCESS = "access.json"
OWNER = "owner.lock"


class Running(msgspec.Struct, frozen=True):
    """The child that was started on a folder."""

    pid: int
    started: float  # start time of the process, seconds as psutil gives it
    boot: str


def boot_id() -> str:
    """The same until the machine starts anew."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(round(psutil.boot_time()))


def write_private(path: Path, data: bytes) -> None:
    """Replace a file by one that only its owner can read."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    part.replace(path)


def remember(folder: Path, pid: int) -> None:
    """Write down the child."""
    running = Running(pid, psutil.Process(pid).create_time(), boot_id())
    write_private(folder / RUNNING, msgspec.json.encode(running))


def remembered(folder: Path) -> Running | None:
    """The child that was written down; None where none was, or its file is damaged."""
    try:
        return msgspec.json.decode((folder / RUNNING).read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None


def forget(folder: Path) -> None:
    """The child ended in order."""
    (folder / RUNNING).unlink(missing_ok=True)


def own(folder: Path) -> IO[bytes]:
    """Take the folder; closing the file gives it back.

    Raises:
        Conflict: another process of ours runs on it.
    """
    file = (folder / OWNER).open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise Conflict(
            f"Another Tapedeck runs on {folder}.",
            code="DATA_FOLDER_IN_USE",
            hint="Stop it, or name another data folder in TAPEDECK_DATA.",
        ) from None
    return file


def left_over(folder: Path) -> psutil.Process | None:
    """The remembered child where it still runs."""
    running = remembered(folder)
    if running is None or running.boot != boot_id():
        return None
    try:
        process = psutil.Process(running.pid)
        same = abs(process.create_time() - running.started) <= START_SECONDS_APART_MAX
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def stranger(root: Path) -> int | None:
    """Pid of a QuestDB on this database folder, whoever started it; None where there is none."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(root) in words and any("io.questdb" in word for word in words):
            return int(process.pid)
    return None


def was_cut_off(folder: Path) -> bool:
    """Whether the machine went down while the child ran: what it had acknowledged may not be on disk."""
    running = remembered(folder)
    return running is not None and running.boot != boot_id()


def end(process: psutil.Process, seconds_max: float) -> bool:
    """SIGTERM, after `seconds_max` SIGKILL; returns when it is gone, and whether SIGKILL was needed."""
    try:
        process.terminate()
        process.wait(seconds_max)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    except psutil.NoSuchProcess:
        pass
    return False
