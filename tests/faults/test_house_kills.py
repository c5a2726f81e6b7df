"""A whole house under load, each of its processes killed again and again while sessions go on; compared at the end."""

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

pytestmark = [pytest.mark.faults, pytest.mark.timeout(7_200)]

# Killed together, while the others go on: sessions are traded by hand, replayed and backtested in both halves.
HALVES = (("nats-server", "engine", "projector"), ("api", "worker-0", "questdb", "seal"))
SERVERS = ("nats-server", "questdb")
LIFE_SECONDS = 1.0  # of a process that works until it is killed, a mean


async def kill_all(times: int, running: Running, connection: Connection) -> None:
    """Every kind, so many times."""

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
                group.create_task(kill_often(find, works, times, LIFE_SECONDS, chance))


async def test_every_process_is_killed_and_nothing_is_lost_or_doubled(tmp_path: Path, kills_count: int) -> None:
    """Sessions, backtests, orders and read models are what they are without a kill."""
    load = await all_is_as_without(partial(kill_all, kills_count), tmp_path)
    print(f"{load.hashes} {load.orders} orders, {load.client.repeats} repeats")  # noqa: T201 - figures of a long run
