"""Sessions that fail: the row at fault is named, however rows were cut into steps."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.recordings.reading import Window
from engine.sessions import history as histories
from engine.sessions.decider import Decider
from engine.sessions.host import Host
from engine.sessions.plan import SessionWish, StrategyWish
from engine.sessions.runner import RunnerSettings
from engine.sessions.upkeep import Upkeep
from engine.strategies.registry import Registry
from events.facts import Place, SessionSpec
from events.rows import DECISION_KINDS, Rows, SectionKind
from tests.engine.loop.kernels import FAILING
from tests.engine.sessions.memory_house import MemoryHouse, until, walk

EMA = (StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),)
KILLED = RunnerSettings(snapshot_seconds=3_600, leave_seconds_max=0)


@pytest.fixture
async def house(tmp_path: Path) -> MemoryHouse:
    """An empty house in memory."""
    found = MemoryHouse(tmp_path)
    await found.start()
    return found


async def places_of(house: MemoryHouse, spec: SessionSpec) -> list[Place]:
    """Places of a session's input rows, in order."""
    given = spec.input
    assert given.first is not None
    assert given.last is not None
    numbers = [one.number for one in spec.instruments]
    found = []
    async for item in house.reader.read(Window(given.source, given.first, given.last)):
        found += [item.place(int(at)) for at in np.flatnonzero(np.isin(item.rows["instrument"], numbers))]
    return found


@pytest.mark.parametrize("acceleration", [0.0, 1_000.0, 5_000.0])
async def test_a_kernel_that_fails_names_its_row(house: MemoryHouse, acceleration: float) -> None:
    """`SessionFailed.at` is the row at which the kernel failed, in one step or in many; rows before it stand."""
    recording = (await house.record(walk(2_000))).recording
    house.strategies = Registry({"failing": FAILING})
    wish = SessionWish(
        mode="paper",
        recording=recording.id,
        symbols=("AAA",),
        strategies=(StrategyWish(strategy="failing", params={"calls": 700}),),
        acceleration=acceleration,
    )
    async with house.host():
        spec = await house.start_session(wish)
        history = await house.ended(spec.session)
    assert history.failed is not None
    assert history.failed.code == "KERNEL_FAILED"
    assert history.failed.at == (await places_of(house, spec))[699]
    marks = history.held.rows(SectionKind.MARK, 0)
    assert 0 < int(marks["input"][-1]) < 699


async def test_upkeep_forgets_snapshots_of_sessions_that_are_over(house: MemoryHouse) -> None:
    """Snapshots that a failed session left are forgotten; those of one that runs are kept."""
    recording = (await house.record(walk(20_000))).recording
    house.strategies = Registry({"failing": FAILING})
    wish = SessionWish(mode="paper", recording=recording.id, symbols=("AAA",), acceleration=2_000.0)
    often = RunnerSettings(snapshot_rows=50)
    async with house.host("one", often) as host:
        specs = []
        for calls in (700, 1_000_000):
            failing = (StrategyWish(strategy="failing", params={"calls": calls}),)
            specs.append(await house.start_session(msgspec.structs.replace(wish, strategies=failing)))
        assert (await house.ended(specs[0].session)).failed is not None
        await until(lambda: _has_snapshots(house, specs[1].session))
        assert await _has_snapshots(house, specs[0].session)
        upkeep = Upkeep(house.blobs, house.clock, lambda session: session in host.desk.ended)
        await until(lambda: _is_over(host, specs[0].session))
        assert await upkeep.once() > 0
        assert not await _has_snapshots(house, specs[0].session)
        assert await _has_snapshots(house, specs[1].session)


async def _has_snapshots(house: MemoryHouse, session: str) -> bool:
    return bool(await house.blobs.names(f"snapshots/{session}/"))


async def _is_over(host: Host, session: str) -> bool:
    return session in host.desk.ended


class Dearer(Decider):
    """The same code by name, but every price is ten percent higher."""

    def rows(self, rows: Rows, kind: SectionKind) -> object:  # type: ignore[override]
        """See `Decider.rows`."""
        changed = np.array(rows)
        changed["price"] *= 1.1
        return super().rows(changed, kind)


async def test_a_divergence_names_its_row(house: MemoryHouse) -> None:
    """Where a restart decides otherwise than the tape holds, the first row that differs is named."""
    recording = (await house.record(walk(20_000))).recording
    wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, acceleration=2_000.0)
    async with house.host("first", KILLED):
        spec = await house.start_session(wish)

        async def traded() -> bool:
            return len((await histories.read(house.tape, spec.session)).held.rows(SectionKind.FILL, 0)) > 3

        await until(traded)
    house.decider = lambda spec: Dearer(spec, house.strategies)  # type: ignore[method-assign]
    async with house.host("second", KILLED):
        history = await house.ended(spec.session)
    assert history.failed is not None
    assert history.failed.code == "DIVERGED"
    decided = {int(each) for kind in DECISION_KINDS for each in history.held.rows(kind, 0)["input"]}
    places = await places_of(house, spec)
    assert history.failed.at in {places[at] for at in decided}
