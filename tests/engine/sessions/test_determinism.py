"""One hash: paper, backtest, from each snapshot, in processes of their own, with any seed of Python's hashes."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.recordings.reading import Window
from engine.sessions import snapshots
from engine.sessions.outputs import Ledger
from engine.sessions.plan import SessionWish, StrategyWish
from engine.sessions.runner import RunnerSettings
from engine.sessions.snapshots import Snapshot
from events.facts import SessionLimits, SessionSpec
from events.memory_keys import MemoryBlobs
from events.rows import Rows, SectionKind
from tests.conftest import ROOT
from tests.engine.sessions.memory_house import MemoryHouse, walk

LIMITS = SessionLimits(
    cash=10_000, global_cap=10_000, stop_loss_ratio=0.01, take_profit_ratio=0.02, fill_ratio_max=0.3, latency_ms=50.0
)
STRATEGIES = (
    StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),
    StrategyWish(strategy="mean_reversion"),
)
ROWS = 20_000
SEEDS = range(10)
AT_ONCE = 2  # processes
DECIDE = """
import sys, msgspec, numpy as np
from engine.sessions.decider import Decider
from engine.sessions.outputs import Ledger
from engine.strategies.registry import discover
from events.facts import SessionSpec
from events.rows import SectionKind
spec = msgspec.json.decode(open(sys.argv[1], "rb").read(), type=SessionSpec)
decider, ledger, rows = Decider(spec, discover()), Ledger(), np.load(sys.argv[2])
size = int(sys.argv[3])
for at in range(0, len(rows), size):
    ledger.take(decider.rows(rows[at : at + size], SectionKind.MARKET))
ledger.take(decider.close(spec.limits.close_on_stop))
print(ledger.hash.hexdigest())
"""


class KeptBlobs(MemoryBlobs):
    """Forgets nothing: every snapshot that was ever written can be asked for."""

    async def delete(self, name: str) -> None:
        """Stays."""


@pytest.fixture
async def house(tmp_path: Path) -> MemoryHouse:
    """An empty house in memory that keeps all snapshots."""
    found = MemoryHouse(tmp_path)
    found.blobs = KeptBlobs()
    await found.start()
    return found


async def run(house: MemoryHouse, wish: SessionWish, settings: RunnerSettings | None = None) -> tuple[SessionSpec, str]:
    """One session to its end: what it was and its hash."""
    async with house.host(runner=settings):
        spec = await house.start_session(wish)
        history = await house.ended(spec.session)
    assert history.ended is not None, history.failed
    assert history.ended.counts["fill"] > 100
    return spec, history.ended.decision_hash


async def rows_of(house: MemoryHouse, spec: SessionSpec) -> Rows:
    """All input rows of a session."""
    assert spec.input.first is not None
    assert spec.input.last is not None
    window = Window(spec.input.source, spec.input.first, spec.input.last)
    return np.concatenate([item.rows async for item in house.reader.read(window)])


async def snapshots_of(house: MemoryHouse, session: str) -> list[Snapshot]:
    """Every snapshot of a session, oldest first."""
    found = [snapshots._open(await house.blobs.get(name)) for name in await house.blobs.names(f"snapshots/{session}/")]
    return [one for one in found if one is not None]


async def decided_elsewhere(folder: Path, seed: int, step: int) -> str:
    """The hash as another process comes to it."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DECIDE, str(folder / "spec.json"), str(folder / "rows.npy"), str(step)),
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await child.communicate()
    assert child.returncode == 0, errors.decode()
    return output.decode().strip()


async def test_one_hash_in_every_mode_and_from_each_snapshot(house: MemoryHouse) -> None:
    """Paper, paced paper and backtest agree, and so does what is decided from any snapshot taken on the way."""
    recording = (await house.record(walk(ROWS))).recording
    often = RunnerSettings(snapshot_rows=1_000, snapshot_messages=10, snapshot_seconds=60.0)
    wish = SessionWish(mode="paper", recording=recording.id, strategies=STRATEGIES, limits=LIMITS, seed=4)
    hashes = set()
    for mode, acceleration in (("paper", 0.0), ("backtest", 0.0), ("paper", 1_000.0)):
        given = msgspec.structs.replace(wish, mode=mode, acceleration=acceleration)
        spec, decision_hash = await run(house, given, often)
        hashes.add(decision_hash)
    taken = await snapshots_of(house, spec.session)
    rows = await rows_of(house, spec)
    assert len(taken) >= 5
    for snapshot in taken:
        decider, ledger = house.decider(spec), Ledger(None, snapshot.hash_state)
        decider.restore(snapshot.records)
        assert decider.inputs == snapshot.inputs
        ledger.take(decider.rows(rows[snapshot.inputs :], SectionKind.MARKET))
        ledger.take(decider.close(spec.limits.close_on_stop))
        hashes.add(ledger.hash.hexdigest())
    assert len(hashes) == 1


@pytest.mark.timeout(600)  # ten processes that each load the loop
async def test_one_hash_in_every_process(house: MemoryHouse, tmp_path: Path) -> None:
    """Processes with every seed of Python's hashes, each cutting the rows another way, come to the session's hash."""
    recording = (await house.record(walk(ROWS))).recording
    wish = SessionWish(mode="backtest", recording=recording.id, strategies=STRATEGIES, limits=LIMITS, seed=4)
    spec, decision_hash = await run(house, wish)
    (tmp_path / "spec.json").write_bytes(msgspec.json.encode(spec))
    np.save(tmp_path / "rows.npy", await rows_of(house, spec))
    room = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> str:
        async with room:
            return await decided_elsewhere(tmp_path, seed, 997 * (seed + 1))

    assert set(await asyncio.gather(*map(one, SEEDS))) == {decision_hash}
