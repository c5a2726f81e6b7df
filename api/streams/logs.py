"""Log lines as they are written: one look at the files of the data folder for all clients, only while one listens."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import BinaryIO

import structlog

from api.log_files import FILES_MAX, LINE_BYTES_MAX, LineReading, LogLine, files, opened
from api.streams.listening import Listener, Listeners
from events.clock import Clock, iso
from events.errors import Unknown

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.25
LOOK_BYTES_MAX = 262_144  # of one file in one look; the rest in the next


class LogFeed(Listeners[LogLine]):
    """All clients of this process over the files that are written now."""

    def __init__(self, folder: Path, clock: Clock, clients_max: int, queue_max: int) -> None:
        super().__init__(clients_max, queue_max)
        self._folder = folder
        self._clock = clock
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Nothing is followed before somebody listens."""

    async def close(self) -> None:
        """Stop following."""
        self.release()
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    def join(self) -> Listener[LogLine]:
        """A new client, who hears what is written from now on, or since the look before. Raises LimitReached."""
        listener = super().join()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(_FollowedFiles(self._folder, self._clock)))
        return listener

    def leave(self, listener: Listener[LogLine]) -> None:
        """A client is gone; behind the last one nothing is followed."""
        super().leave(listener)
        if not self.clients and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _look(self, followed: _FollowedFiles) -> None:
        try:
            while True:
                for line in await asyncio.to_thread(followed.news):
                    self.tell(line)
                await asyncio.sleep(LOOK_SECONDS)
        except OSError as error:  # of a disk
            log.warning("logs_not_followed", error=str(error))
            self.release()
        except Exception:  # whatever it is: clients are told, and come back to a new look
            log.exception("logs_not_followed")
            self.release()
        finally:
            followed.close()


class _FollowedFiles:
    """All files that are written now: what is in them at first is left out, of a file that comes later nothing."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._all: dict[str, _Followed] = {}
        self._meet(at_end=True)

    def news(self) -> list[LogLine]:
        """What was written since the last look."""
        self._meet(at_end=False)
        return [line for followed in self._all.values() for line in followed.news()]

    def close(self) -> None:
        """Let go of all; a look that is under way fails in its thread and is not asked for any more."""
        for followed in self._all.values():
            followed.close()

    def _meet(self, *, at_end: bool) -> None:
        for file in files(self._folder):
            if file.name.endswith(".log") and file.name not in self._all and len(self._all) < FILES_MAX:
                with contextlib.suppress(Unknown):  # gone meanwhile
                    self._all[file.name] = _Followed(self._folder, file.name, iso(self._clock.now_ns()), at_end)


class _Followed:
    """One name; a file that was moved away is read to its end before the next one of that name is begun."""

    def __init__(self, folder: Path, name: str, timestamp: str, at_end: bool) -> None:
        self._folder = folder
        self._name = name
        self._file: BinaryIO = opened(folder, name)
        self._reading = LineReading(name, timestamp)
        self._rest = b""  # of a line that is not whole yet
        self._cutting = False  # up to the end of a line whose beginning was told
        self._was_moved = False
        if at_end:
            self._file.seek(0, os.SEEK_END)

    def news(self) -> list[LogLine]:
        """What was written since."""
        data = self._file.read(LOOK_BYTES_MAX)
        moved = len(data) < LOOK_BYTES_MAX and self._moved()
        if moved and self._was_moved:  # by now nobody writes to the old one
            self._next()
            moved = False
        self._was_moved = moved
        return [self._reading.line(line) for line in self._cut(data)]

    def _cut(self, data: bytes) -> list[bytes]:
        """Whole lines; of one that is too long its beginning, once."""
        *lines, rest = (self._rest + data).split(b"\n")
        if lines and self._cutting:
            self._cutting = False
            del lines[0]
        if self._cutting:
            rest = b""
        elif len(rest) > LINE_BYTES_MAX:
            lines, rest, self._cutting = [*lines, rest], b"", True
        self._rest = rest
        return [line[:LINE_BYTES_MAX] for line in lines]

    def _moved(self) -> bool:
        ours = os.fstat(self._file.fileno())
        try:
            there = os.stat(self._folder / self._name, follow_symlinks=False)
        except OSError:
            return False
        return there.st_ino != ours.st_ino or there.st_size < self._file.tell()

    def _next(self) -> None:
        with contextlib.suppress(Unknown):
            following = opened(self._folder, self._name)
            self._file.close()
            self._file = following

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()
