"""Rotation of a log: what has grown is put aside, no line is lost, and no more files are kept than the bound."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from api.rotation import Rotation


def test_a_log_that_has_grown_is_put_aside_without_losing_a_line(tmp_path: Path) -> None:
    """While a thread writes on, every line stands whole in exactly one file, in order."""
    path = tmp_path / "api.log"
    output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    rotation = Rotation(tmp_path, 20_000, 99, (output,))
    over = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        while not over.is_set():
            os.write(output, b"line %07d\n" % written)
            written += 1

    writer = threading.Thread(target=write)
    writer.start()
    rotated = 0
    while rotated < 20:
        rotated += rotation.look()
    over.set()
    writer.join()
    os.close(output)
    files = [path, *(tmp_path / f"api.log.{number}" for number in range(1, 21))]
    held = b"".join(file.read_bytes() for file in reversed(files)).splitlines()
    assert held == [b"line %07d" % number for number in range(written)]


def test_no_more_is_kept_than_the_bound(tmp_path: Path) -> None:
    """The oldest goes; what is below the size stays where it is."""
    output = os.open(tmp_path / "api.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    rotation = Rotation(tmp_path, 10, 3, (output,))
    for number in range(8):
        assert rotation.look() is False
        os.write(output, b"number %d, long enough\n" % number)
        assert rotation.look() is True
    os.close(output)
    assert sorted(os.listdir(tmp_path)) == ["api.log", "api.log.1", "api.log.2", "api.log.3"]
    assert (tmp_path / "api.log.1").read_bytes() == b"number 7, long enough\n"
    assert (tmp_path / "api.log").read_bytes() == b""


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """Standard error that is a terminal, a pipe, or a file of somebody else is never touched."""
    reading, writing = os.pipe()
    assert Rotation(tmp_path, 1, 3, (writing,)).file() is None
    output = os.open(tmp_path / "theirs.log", os.O_WRONLY | os.O_CREAT)
    os.write(output, b"long enough")
    assert Rotation(tmp_path / "logs", 1, 3, (output,)).look() is False
    for each in (reading, writing, output):
        os.close(each)
