"""A child process that has a copy open: started, asked, ended."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import sys
from pathlib import Path
from typing import Any

import msgspec

from projections.explorer import child
from projections.explorer.copies import Copy
from projections.explorer.settings import ExplorerSettings
from projections.explorer.views import VIEWS

START_SECONDS_MAX = 20.0  # on a busy machine

_NAMES = {admin: [view.name for view in VIEWS if admin or not view.private] for admin in (False, True)}


class Said(msgspec.Struct, frozen=True):
    """What a child answers."""

    columns: list[dict[str, str]] = []
    rows: list[msgspec.Raw] = []
    truncated: bool = False
    refused: str = ""
    code: str = ""


class Child:
    """A process that has a copy open."""

    def __init__(self, process: asyncio.subprocess.Process, copy: Copy) -> None:
        self.copy = copy
        self.asked = 0
        self._process = process

    @classmethod
    async def start(cls, copy: Copy) -> Child:
        """A child that has opened a copy. Raises EOFError or OSError (a TimeoutError too): it did not come up."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", str(Path(child.__file__)), str(copy.path)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
        started = cls(process, copy)
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                await started._heard()
        except BaseException:
            await started.end()
            raise
        return started

    async def ask(self, text: str, limits: ExplorerSettings, admin: bool, *, checks: bool = False) -> Said:
        """What it says; where it only checks, whether it refuses. Raises EOFError or OSError where it died over it."""
        request: dict[str, Any] = {
            "sql": text.encode("utf-8", "replace").decode(),
            "views": _NAMES[admin],
            "checks": checks,
        }
        request |= {"rows_max": limits.rows_max, "bytes_max": limits.bytes_max}
        data = msgspec.json.encode(request)
        assert self._process.stdin is not None, "it is a pipe"
        self.asked += 1
        self._process.stdin.write(struct.pack(">I", len(data)) + data)
        return msgspec.json.decode(await self._heard(), type=Said)

    async def _heard(self) -> bytes:
        assert self._process.stdout is not None, "it is a pipe"
        (size,) = struct.unpack(">I", await self._process.stdout.readexactly(4))
        return await self._process.stdout.readexactly(size)

    async def end(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
