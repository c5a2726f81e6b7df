"""Child processes that are never left behind: owned by a lock, remembered by pid and start time, ended by pid.

`running.json` in a child's folder names its pid, the process's start time (a pid alone is used again by the system)
and the boot it ran under. The lock on `owner.lock` is held by the process that started it, and lets go when that
process ends in whatever way.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec
import psutil

from events.clock import NS_PER_SECOND, Clock
from events.errors import Conflict

POLL_SECONDS = 0.05  # how often it is looked whether a child has ended
START_SECONDS_APART_MAX = 2.0  # the system's clock may be set while a process runs
RUNNING = "running.json"
OWNER = "owner.lock"
PR_SET_PDEATHSIG = 1


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
    """Replace a file by one that only its owner can read, whole or not at all, and on disk when it returns."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def open_private(path: Path, mode: str) -> IO[bytes]:
    """Open a file that only its owner can read."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def own(folder: Path) -> IO[bytes]:
    """Take the folder; closing the file gives it back.

    Raises:
        Conflict: another process of ours runs on it.
    """
    file = open_private(folder / OWNER, "ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise in_use(f"Another Tapedeck runs on {folder}.", "Stop it, wait where it is only starting") from None
    return file


def in_use(message: str, stop: str) -> Conflict:
    """The folder is somebody else's now."""
    return Conflict(message, code="DATA_FOLDER_IN_USE", hint=f"{stop}, or name another data folder in TAPEDECK_DATA.")


def remember(folder: Path, pid: int) -> None:
    """Write down the child."""
    running = Running(pid, psutil.Process(pid).create_time(), boot_id())
    write_private(folder / RUNNING, msgspec.json.encode(running))


def forget(folder: Path) -> None:
    """The child ended in order."""
    (folder / RUNNING).unlink(missing_ok=True)


def remembered(folder: Path) -> Running | None:
    """The child that was written down; None where none was, or its file is damaged."""
    try:
        return msgspec.json.decode((folder / RUNNING).read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError):
        return None


def was_cut_off(folder: Path) -> bool:
    """Whether the machine went down while the child ran: what it had acknowledged may not be on disk."""
    running = remembered(folder)
    return running is not None and running.boot != boot_id()


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


def stranger(program: str, word: str) -> int | None:
    """Pid of a process of this program that has `word` in its command line; None where there is none."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words and program in words[0] and any(word in each for each in words):
            return int(process.pid)
    return None


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


class Restart:
    """Whether a child was told to stop, so that whoever watches it starts it again; killed past `seconds_max`."""

    def __init__(self, clock: Clock, seconds_max: float) -> None:
        self._clock = clock
        self._seconds_max = seconds_max
        self._until_ns = 0

    @property
    def asked(self) -> bool:
        """It was, and is not started yet."""
        return self._until_ns > 0

    def ask(self, child: subprocess.Popen[bytes] | None) -> int:
        """Tell it, once; does not wait. Returns its pid; raises KeyError where it does not run."""
        if child is None or child.poll() is not None:
            raise KeyError("it does not run")
        if not self.asked:
            self._until_ns = self._clock.monotonic_ns() + round(self._seconds_max * NS_PER_SECOND)
            child.send_signal(signal.SIGTERM)
        return child.pid

    def done(self) -> None:
        """It is being started."""
        self._until_ns = 0

    async def ended(self, child: subprocess.Popen[bytes] | None) -> int:
        """Wait until a child ended by itself or was stopped; its exit code (143 or -15 is SIGTERM)."""
        while child is not None and child.poll() is None:
            await self._clock.sleep(POLL_SECONDS)
            if 0 < self._until_ns < self._clock.monotonic_ns():
                child.kill()
        return child.returncode if child is not None else 0


def die_with_parent() -> Callable[[], None]:
    """What a child does between fork and exec: ask the kernel for SIGTERM when the thread that started it ends."""
    parent = os.getpid()
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def ask() -> None:
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it died in between
                os._exit(1)

    return ask


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def tail_of(path: Path, size: int = 4_000, *, start: int = 0) -> str:
    """The last bytes of a log as text, none before `start`; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, start, path.stat().st_size - size))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""
