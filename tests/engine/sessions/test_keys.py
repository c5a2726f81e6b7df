"""Idempotency keys of a session: remembered as long, running or restarted."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.sessions.plan import SessionWish, StrategyWish
from engine.sessions.runner import RunnerSettings
from events import codec, subjects
from events.facts import CancelOrder, CommandAccepted, SessionSpec, StopSession, SubmitOrder
from tests.engine.sessions.memory_house import MemoryHouse, until, walk

EMA = (StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),)
QUICK = RunnerSettings(snapshot_seconds=0.05)
SLOW = RunnerSettings(snapshot_seconds=3_600, leave_seconds_max=0)


async def started(house: MemoryHouse) -> SessionSpec:
    """A paper session that lasts."""
    recording = (await house.record(walk(40_000))).recording
    wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, acceleration=1.0)
    return await house.start_session(wish)


def order(spec: SessionSpec) -> SubmitOrder:
    """An order that waits far below the market."""
    return SubmitOrder(
        key="first", user="ann", session=spec.session, symbol="AAA", side="buy", quantity=1.0, kind="limit", price=1.0
    )


async def cancels(house: MemoryHouse, spec: SessionSpec, count: int) -> None:
    """So many further commands, all answered."""
    for number in range(count):
        cancel = CancelOrder(key=f"x{number}", user="ann", session=spec.session, order=99_999)
        subject = subjects.session_commands(spec.session)
        await house.tape.append(codec.to_append(cancel, subject, f"x{number}"))
    await house.send(CancelOrder(key="last", user="ann", session=spec.session, order=99_998))


@pytest.mark.parametrize("settings", [QUICK, SLOW], ids=["snapshot", "no snapshot"])
async def test_an_order_is_done_once_over_a_restart(tmp_path: Path, settings: RunnerSettings) -> None:
    """An order repeated after a restart and a thousand further commands is answered as the first time."""
    house = MemoryHouse(tmp_path)
    await house.start()
    async with house.host("before", settings):
        spec = await started(house)
        first = await house.send(order(spec))
        await cancels(house, spec, 1_100)
        if settings is QUICK:
            await until(lambda: _snapshot(house))
    async with house.host("behind", settings):
        again = await house.send(order(spec))
        await house.send(StopSession(key="stop", user="ann", session=spec.session))
        await house.ended(spec.session)
    assert isinstance(first, CommandAccepted)
    assert isinstance(again, CommandAccepted)
    assert (first.changed, again.changed) == (True, False)
    assert (again.order, again.denial) == (first.order, first.denial) != (0, "")


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
async def test_the_last_keys_are_remembered(tmp_path: Path, restart: bool) -> None:
    """A session remembers `keys_max` keys and forgets the oldest, the same whether it was restarted or not."""
    settings = RunnerSettings(keys_max=4)
    house = MemoryHouse(tmp_path)
    await house.start()
    async with house.host("before", settings):
        spec = await started(house)
        await house.send(order(spec))
        await cancels(house, spec, 2)
        within = await house.send(order(spec))
        await cancels(house, spec, 3)
        if not restart:
            beyond = await house.send(order(spec))
    if restart:
        async with house.host("behind", settings):
            beyond = await house.send(order(spec))
    assert isinstance(within, CommandAccepted)
    assert isinstance(beyond, CommandAccepted)
    assert (within.changed, beyond.changed) == (False, True)


async def _snapshot(house: MemoryHouse) -> bool:
    return bool(await house.blobs.names("snapshots/"))
