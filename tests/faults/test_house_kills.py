"""A whole house under load, each process killed again and again while sessions go on; compared at the end.

Kills at named points count among those of their process.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from api.bootstrap import Connection
from api.cli.up import Running
from tests.faults.house_load import all_is_as_without
from tests.faults.houses import at_work, kill_often, pid_of
from tests.faults.point_kills import PointKills

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7_200)]

# Killed together, while the others go on: sessions are traded by hand, replayed and backtested in both halves.
HALVES = (("nats-server", "engine", "projector"), ("api", "worker-0", "questdb", "seal"))
SERVERS = ("nats-server", "questdb")
LIFE_SECONDS = 1.0  # of a process that works until it is killed, a mean


async def kill_all(times: int, points: PointKills, running: Running, connection: Connection) -> None:
    """Every kind, so many times: at random moments, half after half, then all of ours at their named points."""

    async def ours_works(pid: int) -> bool:
        return await at_work(connection.keys, pid)

    async def server_works(_: int) -> bool:
        return True

    found = [kind for half in HALVES for kind in half if pid_of(running, kind) is not None]
    assert {"nats-server", "engine", "worker-0", "api", "seal"} <= set(found)
    for half in HALVES:
        async with asyncio.TaskGroup() as group:
            for kind in set(half) & set(found):
                chance = np.random.Generator(np.random.Philox(key=times + 1_000 * found.index(kind)))
                works = server_works if kind in SERVERS else ours_works
                find = partial(pid_of, running, kind)
                at_random = times - points.times(kind)
                group.create_task(kill_often(find, works, at_random, LIFE_SECONDS, chance))
    async with asyncio.TaskGroup() as group:
        for kind in found:
            if points.times(kind):
                group.create_task(points.kill(kind, running, connection))


async def test_every_process_is_killed_and_nothing_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills_count: int, moments_count: int
) -> None:
    """Killed at any moment, and before and after what hurts most: sessions, orders and read models are as without."""
    points = PointKills(tmp_path / "points", moments_count)
    points.watched(monkeypatch)
    load = await all_is_as_without(partial(kill_all, kills_count, points), tmp_path)
    print(f"{load.hashes} {load.orders} orders, {load.client.repeats} repeats")  # noqa: T201 - figures of a long run
