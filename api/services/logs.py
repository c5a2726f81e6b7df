"""The logs of the processes of this machine: which files there are, and lines of one, read beside the event loop."""

from __future__ import annotations

import asyncio
from pathlib import Path

from api import log_files
from api.log_files import LogFile, LogPage, Wish

SCANS_MAX = 2  # files read through at once in one process


class LogFolder:
    """The folder of the log files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._scans = asyncio.Semaphore(SCANS_MAX)

    async def files(self) -> list[LogFile]:
        """Log files, the one written last first."""
        return await asyncio.to_thread(log_files.files, self._folder)

    async def page(self, name: str, wish: Wish) -> LogPage:
        """Lines of a file. Raises Unknown, LimitReached."""
        async with self._scans:
            return await asyncio.to_thread(log_files.page, self._folder, name, wish)
