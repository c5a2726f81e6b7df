"""Processes of a house killed at their named points: right before and right after what they write."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

import pytest

from api.bootstrap import Connection
from api.cli.up import Running
from tests.conftest import ROOT
from tests.faults.houses import at_work, pid_of
from tests.faults.kill_points import FOLDER, MOMENTS, POINTS
from tests.fixtures.waiting import until

AT_START = Path(__file__).parent / "at_start"
POINT_SECONDS_MAX = 120.0
CHILDREN = {"worker": "worker-0"}  # by role, where it has another name


def points_of(role: str, moments: int) -> list[tuple[str, str]]:
    """Where it is killed: at both moments of each point, at one of them in turn, or nowhere."""
    both = [(point, moment) for point in POINTS[role] for moment in MOMENTS] if moments else []
    return both if moments > 1 else [one for at, one in enumerate(both) if at % 4 in (0, 3)]


class PointKills:
    """Kills at named points. The house must start after `watched`, in whose folder its processes look."""

    def __init__(self, folder: Path, moments: int) -> None:
        self._folder = folder
        self._points = {CHILDREN.get(role, role): (role, points_of(role, moments)) for role in POINTS}

    def watched(self, environment: pytest.MonkeyPatch) -> None:
        """Have every interpreter that starts from now on look for its name in the folder."""
        self._folder.mkdir()
        environment.setenv(FOLDER, str(self._folder))
        environment.setenv("PYTHONPATH", os.pathsep.join((str(AT_START), str(ROOT))))

    def times(self, child: str) -> int:
        """How often a process is killed at its points."""
        return len(self._points[child][1]) if child in self._points else 0

    async def kill(self, child: str, running: Running, connection: Connection) -> None:
        """Kill one process, at one of its points after the other."""
        role, points = self._points[child]
        for point, moment in points:
            async with asyncio.timeout(POINT_SECONDS_MAX):
                while not await self._works(child, running, connection):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.1)
            pid = pid_of(running, child)
            asked = self._folder / role
            asked.with_suffix(".new").write_text(f"{point} {moment}")
            asked.with_suffix(".new").rename(asked)
            try:
                await until(partial(_died, running, child, pid, asked), POINT_SECONDS_MAX)
            except TimeoutError:
                raise AssertionError(f"{child} did not die {moment} {point} within {POINT_SECONDS_MAX:g} s") from None

    async def _works(self, child: str, running: Running, connection: Connection) -> bool:
        pid = pid_of(running, child)
        return pid is not None and await at_work(connection.keys, pid)


def _died(running: Running, child: str, pid: int | None, asked: Path) -> bool:
    return not asked.exists() and pid_of(running, child) != pid
