"""The desk of an engine that has folded half of a batch."""

from __future__ import annotations

from pathlib import Path

from engine.sessions.desk import Desk
from engine.sessions.plan import SessionWish, StrategyWish
from events.facts import CommandAccepted, SessionClaimed, SessionLimits, SessionStarted, StartSession, StopSession
from tests.engine.sessions.memory_house import MemoryHouse, walk


async def test_a_command_behind_a_start_waits_for_the_session(tmp_path: Path) -> None:
    """Between the answer to a start and the session's first fact nothing is refused for want of the session."""
    house = MemoryHouse(tmp_path)
    await house.start()
    recording = (await house.record(walk(50))).recording.id
    strategies = (StrategyWish(strategy="ema_cross"),)
    wish = SessionWish(mode="paper", recording=recording, strategies=strategies, limits=SessionLimits(cash=1_000))
    spec = await house.plan(wish)
    desk = Desk()
    desk.note_command(StartSession(key="a", user="ann", spec=spec), 8)
    desk.note_command(StopSession(key="b", user="ann", session=spec.session), 9)
    assert [sequence for sequence, _ in desk.due()] == [8, 9]  # a start first
    desk.note_fact(CommandAccepted(key="a", cause=8, session=spec.session), 11)
    assert desk.due() == []
    desk.note_fact(SessionStarted(spec=spec, after=8), 12)
    assert [sequence for sequence, _ in desk.due()] == [9]  # the desk's while nobody has claimed it
    desk.note_fact(SessionClaimed(session=spec.session, engine="one", epoch=1), 13)
    assert desk.due() == []  # it is its runner's
