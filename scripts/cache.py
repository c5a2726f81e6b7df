"""Where downloads and stamps are kept, and how a finished step is remembered.

A stamp is a file that holds the hash of everything a step depends on. It lies beside what the step made, so deleting
the result deletes the memory of it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.console import Trouble

READ_BYTES = 1 << 20


def cache_folder() -> Path:
    """`TAPEDECK_CACHE_DIR`, else `tapedeck` in the user's cache folder; made when absent.

    Raises:
        Trouble: it cannot be made or written.
    """
    given = os.environ.get("TAPEDECK_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(given) if given else Path(home) / "tapedeck"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Trouble(f"cache folder {folder}: {error.strerror}. Name another one in TAPEDECK_CACHE_DIR") from error
    if not os.access(folder, os.W_OK):
        raise Trouble(f"cache folder {folder}: it cannot be written. Name another one in TAPEDECK_CACHE_DIR")
    return folder.resolve()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def key_of(files: Iterable[Path], *words: str) -> str:
    """One hash over the names and bytes of files and some words."""
    digest = hashlib.sha256("\0".join(words).encode())
    for path in sorted(files):
        digest.update(f"\0{path.name}\0{file_hash(path)}".encode())
    return digest.hexdigest()


def is_stamped(stamp: Path, key: str) -> bool:
    """Whether the step was finished with this very key."""
    return stamp.is_file() and stamp.read_text().strip() == key


def write_stamp(stamp: Path, key: str) -> None:
    """Remember that a step was finished; the last thing a step does."""
    stamp.parent.mkdir(parents=True, exist_ok=True)
    part = stamp.with_suffix(".part")
    part.write_text(f"{key}\n")
    part.replace(stamp)


def require_space(folder: Path, bytes_min: int) -> None:
    """Refuse to begin what cannot end.

    Raises:
        Trouble: the disk under `folder` has less than `bytes_min` free.
    """
    free = shutil.disk_usage(folder).free
    if free < bytes_min:
        raise Trouble(
            f"{folder}: the disk is full: {free / 1e9:.1f} GB free, {bytes_min / 1e9:.1f} GB needed. "
            "Free some and run the same again"
        )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one set-up at a time work in a folder; a second one waits."""
    import fcntl

    with (folder / "setup.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
