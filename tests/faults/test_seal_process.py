"""The process that seals: alone on a folder, killed at random moments, and what it refuses."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from api.bootstrap import Connection, connect
from api.places import Places, epoch_of
from api.processes.signs import all_signs
from api.processes.supervisor import TAPE_REFUSED
from api.sealing import owner_of
from api.servers import Servers
from api.services.founding import found
from api.settings import Settings
from events import seal
from events.clock import SystemClock
from events.seal import files
from events.seal.chain import Point
from events.tape import Append
from tests.fixtures.waiting import until

END_SECONDS_MAX = 20.0
SEALED_SECONDS_MAX = 20.0


class House(NamedTuple):
    """A data folder whose server runs, and a line to it."""

    settings: Settings
    places: Places
    line: Connection

    def start(self) -> subprocess.Popen[bytes]:
        """The seal, as the supervisor starts it."""
        command = [sys.executable, "-m", "api.cli", "--data", self.settings.data, "run", "seal", "--name", "seal"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    async def sealed(self, last: int) -> None:
        """Wait until the tape is sealed up to a sequence."""
        epoch = epoch_of(self.places)
        await until(lambda: files.read_head(self.places.seal, epoch).point.sequence >= last, SEALED_SECONDS_MAX)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A founded house without any process of its own."""
    settings, clock = Settings(data=str(tmp_path)), SystemClock()
    servers = Servers(settings, clock)
    await servers.start(market=False)
    try:
        await found(settings, clock)
        line = await connect(settings, "admin", clock)
        try:
            yield House(settings, Places(tmp_path), line)
        finally:
            await line.close()
    finally:
        await servers.stop()


async def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Exit code and standard error of a process that ends by itself."""
    _, said = await asyncio.to_thread(process.communicate, timeout=END_SECONDS_MAX)
    return process.returncode, said.decode()


@pytest.mark.faults
async def test_a_killed_seal_goes_on(house: House, kills_count: int) -> None:
    """Killed while the tape grows, each next one goes on from the last point; at the end all is sealed and whole."""
    chance = np.random.Generator(np.random.Philox(key=kills_count))
    count, growing = 0, True

    async def grow() -> None:
        nonlocal count
        while growing:
            await house.line.tape.append(Append("tape.market.s", b"r" * 3_000, f"s-{count}"))
            count += 1

    task = asyncio.create_task(grow())
    for _ in range(max(2, kills_count // 5)):
        process = house.start()
        await asyncio.sleep(0.5 + float(chance.random()))
        process.send_signal(signal.SIGKILL)
        await ended(process)
    growing = False
    await task
    last = house.start()
    try:
        await house.sealed(count)
        assert owner_of(house.places) is not None
        (sign,) = await all_signs(house.line.keys)
        assert (sign.role, sign.pid) == ("seal", last.pid)
    finally:
        last.send_signal(signal.SIGTERM)
        assert (await ended(last))[0] == 0
    report = await seal.check(house.line.tape, house.places.seal)
    assert (report.sequence, report.last) == (count, count)
    assert house.line.vault is not None
    report = await seal.check(house.line.vault, house.places.vault_seal)
    assert report.sequence == report.last >= 1


async def test_one_owner_at_a_time(house: House) -> None:
    """A second seal on the same folder is refused while the first one runs."""
    first = house.start()
    try:
        await house.line.tape.append(Append("tape.market.s", b"r", "s-1"))
        await house.sealed(1)
        code, said = await ended(house.start())
        assert code == 4
        assert "Another Tapedeck runs on" in said
    finally:
        first.terminate()
        await ended(first)


@pytest.mark.parametrize("log", ["tape", "vault"])
async def test_what_it_cannot_prove_is_refused(house: House, log: str) -> None:
    """Where the log is not what was sealed, the seal ends with the code that no start mends."""
    folder = house.places.seal if log == "tape" else house.places.vault_seal
    head = files.read_head(folder, epoch_of(house.places))
    files.write_head(folder, files.Head(head.epoch, Point(head.point.sequence + 5, head.point.hash, 10)))
    code, said = await ended(house.start())
    assert code == TAPE_REFUSED
    assert f"The {log} ends at sequence" in said
