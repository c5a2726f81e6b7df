"""Log files of a data folder: which there are, and lines of one, read through without holding it in memory.

`<name>.log` is written now, `<name>.log.1` is what was put aside of it last (see `api.rotation`).
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeGuard

import msgspec

from api.masking import masked_line
from events.clock import from_iso, iso
from events.errors import LimitReached, Unknown

FILES_MAX = 1_000  # looked at in one folder
NAME_CHARACTERS_MAX = 128
LINE_BYTES_MAX = 65_536  # of a longer line the beginning
MESSAGE_CHARACTERS_MAX = 4_096
SCAN_BYTES_MAX = 134_217_728  # of one file
# A line that is no entry: a traceback, or what a library or the interpreter printed.
RAW_LEVEL = "ERROR"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.log(\.[1-9][0-9]{0,2})?")
_OWN = frozenset(("event", "level", "timestamp", "role"))


class LogFile(NamedTuple):
    """A file: its size in bytes, and when it was last written."""

    name: str
    size: int
    modified_ns: int


class LogLine(NamedTuple):
    """An entry; `number` counts from 1 within its file, 0 where it was not counted."""

    number: int
    timestamp: str
    level: str
    logger: str
    message: str


class Wish(NamedTuple):
    """Which lines: of a level, with a text in the message (in either case); `limit` of them behind `offset`."""

    limit: int
    offset: int = 0
    level: str | None = None
    search: str | None = None


class LogPage(NamedTuple):
    """Lines of a file, how many match, and how many lines it has."""

    lines: list[LogLine]
    matching: int
    total: int


def files(folder: Path) -> list[LogFile]:
    """Log files of a folder, the one written last first."""
    found: list[LogFile] = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name) and len(found) < FILES_MAX:
                with contextlib.suppress(FileNotFoundError):
                    told = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(told.st_mode):
                        found.append(LogFile(entry.name, told.st_size, told.st_mtime_ns))
    return sorted(found, key=lambda file: (-file.modified_ns, file.name))


def opened(folder: Path, name: str) -> BinaryIO:
    """A log file of the folder itself, for reading: no other path, no link, nothing but a plain file.

    Raises:
        Unknown: there is no such log file.
    """
    if len(name) <= NAME_CHARACTERS_MAX and _NAME.fullmatch(name):
        with contextlib.suppress(OSError):
            number = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            file = os.fdopen(number, "rb")
            if stat.S_ISREG(os.fstat(number).st_mode):
                return file
            file.close()
    raise Unknown(f"There is no log file {name[:NAME_CHARACTERS_MAX]!r}.", field="filename")


def page(folder: Path, name: str, wish: Wish) -> LogPage:
    """Lines of a file in its order. It is read through once, a line at a time.

    Raises:
        Unknown: there is no such log file.
        LimitReached: it is larger than `SCAN_BYTES_MAX`.
    """
    with opened(folder, name) as file:
        told = os.fstat(file.fileno())
        if told.st_size > SCAN_BYTES_MAX:
            raise LimitReached(f"{name} is larger than {SCAN_BYTES_MAX:,} bytes.", field="filename")
        reading = LineReading(name, iso(told.st_mtime_ns))
        lines: list[LogLine] = []
        matching = total = 0
        for raw in _lines(file):
            total += 1
            if not (line := reading.matching(raw, wish)):
                continue
            matching += 1
            if wish.offset < matching <= wish.offset + wish.limit:
                lines.append(line._replace(number=total))
    return LogPage(lines, matching, total)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(LINE_BYTES_MAX):
        yield line
        while not line.endswith(b"\n") and line:
            line = file.readline(LINE_BYTES_MAX)


class LineReading:
    """Makes entries of the lines of a file; one that is no entry has the time of the entry before it."""

    def __init__(self, name: str, timestamp: str) -> None:
        self._logger = name.partition(".log")[0]
        self._timestamp = timestamp

    def matching(self, raw: bytes, wish: Wish) -> LogLine | None:
        """The entry of a line; None where it is not what is wished for."""
        line = self.line(raw)
        if wish.level is not None and line.level != wish.level:
            return None
        if wish.search is not None and wish.search.casefold() not in line.message.casefold():
            return None
        return line

    def line(self, raw: bytes) -> LogLine:
        """The entry of a line; without tokens, also where an earlier release or a library wrote one."""
        raw = masked_line(raw)
        try:
            entry = msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            entry = None
        if not isinstance(entry, dict) or "event" not in entry:
            text = raw.decode(errors="replace").rstrip("\n")
            return LogLine(0, self._timestamp, RAW_LEVEL, self._logger, text[:MESSAGE_CHARACTERS_MAX])
        if _is_time(timestamp := entry.get("timestamp")):
            self._timestamp = timestamp
        level, logger = str(entry.get("level", "info")).upper(), str(entry.get("role") or self._logger)
        return LogLine(0, self._timestamp, level, logger, _message(entry))


def _message(entry: dict[str, Any]) -> str:
    """The event, and what was said with it."""
    rest = [f"{name}={_text(value)}" for name, value in entry.items() if name not in _OWN]
    return " ".join([_text(entry["event"]), *rest])[:MESSAGE_CHARACTERS_MAX]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _is_time(text: Any) -> TypeGuard[str]:
    if not isinstance(text, str) or not text.endswith("Z"):
        return False
    try:
        from_iso(text)
    except (ValueError, OverflowError):
        return False
    return True
