"""Processes killed at the points where it would hurt most: right before and right after what they write."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

import pytest

from api.bootstrap import Connection
from api.cli.up import Running
from tests.faults.house_load import all_is_as_without
from tests.faults.houses import at_work, pid_of
from tests.faults.kill_points import FOLDER, MOMENTS, POINTS
from tests.fixtures.waiting import until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7_200)]

AT_START = Path(__file__).parent / "at_start"
POINT_SECONDS_MAX = 120.0
CHILDREN = {"worker": "worker-0"}  # by role, where it has another name


def points_of(role: str, moments: int) -> list[tuple[str, str]]:
    """Where it is killed: at both moments of each point, or at one of them in turn."""
    both = [(point, moment) for point in POINTS[role] for moment in MOMENTS]
    return both if moments > 1 else [one for at, one in enumerate(both) if at % 4 in (0, 3)]


async def kill_at_each(
    role: str, points: list[tuple[str, str]], folder: Path, running: Running, connection: Connection
) -> None:
    """One process, at one of its points after the other."""
    child = CHILDREN.get(role, role)

    async def works() -> bool:
        pid = pid_of(running, child)
        return pid is not None and await at_work(connection.keys, pid)

    for point, moment in points:
        async with asyncio.timeout(POINT_SECONDS_MAX):
            while not await works():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        pid = pid_of(running, child)
        asked = folder / role
        asked.with_suffix(".new").write_text(f"{point} {moment}")
        asked.with_suffix(".new").rename(asked)
        try:
            await until(partial(_died, running, child, pid, asked), POINT_SECONDS_MAX)
        except TimeoutError:
            raise AssertionError(f"{role} did not die {moment} {point} within {POINT_SECONDS_MAX:g} s") from None


def _died(running: Running, child: str, pid: int | None, asked: Path) -> bool:
    return not asked.exists() and pid_of(running, child) != pid


async def test_a_process_dies_before_and_after_what_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moments_count: int
) -> None:
    """Wherever a process of the house dies, sessions, orders and read models are what they are without it."""
    if not moments_count:
        pytest.skip("takes minutes: `make test-faults` kills at both moments of each point (--moments 2)")
    folder = tmp_path / "points"
    folder.mkdir()
    monkeypatch.setenv(FOLDER, str(folder))
    here = Path(__file__).parent.parent.parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(AT_START), str(here))))

    async def killing(running: Running, connection: Connection) -> None:
        async with asyncio.TaskGroup() as group:
            for role in POINTS:
                group.create_task(kill_at_each(role, points_of(role, moments_count), folder, running, connection))

    await all_is_as_without(killing, tmp_path)
