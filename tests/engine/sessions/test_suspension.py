"""Sessions of another code: suspended, stopped, or let go on; never stranded."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.loop.before_start import code_with_start
from engine.research.verify import verify
from engine.sessions import history as histories
from engine.sessions.decider import Decider
from engine.sessions.desk import Desk, DeskLimits
from engine.sessions.host import Host
from engine.sessions.life import SessionState
from engine.sessions.plan import SessionWish, StrategyWish
from engine.sessions.runner import RunnerSettings
from events.facts import (
    ChangeCode,
    CommandAccepted,
    CommandRefused,
    HaltLane,
    NoteVerification,
    SessionClaimed,
    SessionEnded,
    SessionSpec,
    SessionStarted,
    SessionSuspended,
    SessionVerified,
    StartSession,
    StopSession,
    SubmitOrder,
)
from events.rows import Rows, SectionKind
from tests.engine.sessions.memory_house import MemoryHouse, until, walk
from tests.engine.sessions.test_claims import facts_of

EMA = (StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),)
LEAVING = RunnerSettings(snapshot_seconds=3_600)
KILLED = RunnerSettings(snapshot_seconds=3_600, leave_seconds_max=0)


class OtherCode(Decider):
    """The code of another release: it decides otherwise, on records of the same shape."""

    @property
    def code_hash(self) -> str:
        """See `Decider.code_hash`."""
        return code_with_start("other", self._loop.spec.trade_from_ns)

    def rows(self, rows: Rows, kind: SectionKind) -> object:  # type: ignore[override]
        """Reads every price ten percent higher."""
        changed = np.array(rows)
        changed["price"] *= 1.1
        return super().rows(changed, kind)


async def suspended(house: MemoryHouse, settings: RunnerSettings) -> SessionSpec:
    """A session that traded a while and then met another code; the desk keeps to itself what it holds."""
    recording = (await house.record(walk(40_000))).recording
    wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, acceleration=200.0)
    async with house.host("old", settings):
        spec = await house.start_session(wish)

        async def traded() -> bool:
            return len((await histories.read(house.tape, spec.session)).held.rows(SectionKind.FILL, 0)) > 3

        await until(traded)
    house.decider = lambda spec: OtherCode(spec, house.strategies)  # type: ignore[method-assign]
    return spec


async def is_suspended(host: Host, spec: SessionSpec) -> None:
    """Wait until a host has found the other code."""

    async def found() -> bool:
        session = host.desk.sessions.get(spec.session)
        return session is not None and session.state is SessionState.SUSPENDED

    await until(found)


@pytest.fixture
async def house(tmp_path: Path) -> MemoryHouse:
    """An empty house in memory."""
    found = MemoryHouse(tmp_path)
    await found.start()
    return found


async def test_a_suspended_session_is_stopped(house: MemoryHouse) -> None:
    """A stop of a suspended session is answered and ends it, with the hash of what it decided; an order is told why."""
    spec = await suspended(house, KILLED)
    async with house.host("new") as host:
        await is_suspended(host, spec)
        order = SubmitOrder(key="o", user="ann", session=spec.session, symbol="AAA", side="buy", quantity=1.0)
        refused = await house.send(order)
        stopped = await house.send(StopSession(key="s", user="ann", session=spec.session))
        history = await house.ended(spec.session)
        again = await house.send(StopSession(key="t", user="ann", session=spec.session))
    assert isinstance(refused, CommandRefused)
    assert "is suspended: it ran under code" in refused.message
    assert isinstance(stopped, CommandAccepted)
    assert isinstance(again, CommandAccepted)
    assert (stopped.changed, again.changed) == (True, False)
    assert history.ended is not None
    assert history.ended.reason == "stopped"
    assert history.ended.counts["fill"] == len(history.held.rows(SectionKind.FILL, 0))
    assert history.ended.inputs > 0


async def test_a_suspended_session_goes_on_under_other_code(house: MemoryHouse) -> None:
    """Once it is allowed, a session goes on from where the old code left it, over further restarts too."""
    spec = await suspended(house, LEAVING)
    before = await histories.read(house.tape, spec.session)
    async with house.host("new", LEAVING) as host:
        await is_suspended(host, spec)
        wrong = await house.send(ChangeCode(key="w", user="ann", session=spec.session, code_hash="third"))
        change = ChangeCode(key="c", user="ann", session=spec.session, code_hash="other")
        allowed = await house.send(change)
        halted = await house.send(
            HaltLane(key="h", user="ann", session=spec.session, strategy="ema_cross", symbol="BBB", halted=True)
        )
        await asyncio.sleep(0.3)
    async with house.host("newer", KILLED):
        again = await house.send(change)
        await asyncio.sleep(0.3)
        await house.send(StopSession(key="s", user="ann", session=spec.session))
        history = await house.ended(spec.session)
    assert isinstance(wrong, CommandRefused)
    assert wrong.field == "code_hash"
    assert isinstance(allowed, CommandAccepted)
    assert isinstance(halted, CommandAccepted)
    assert isinstance(again, CommandAccepted)
    assert not again.changed
    assert history.ended is not None, history.failed
    orders = before.held.rows(SectionKind.ORDER, 0)
    after = history.held.rows(SectionKind.ORDER, 0)
    assert after[: len(orders)].tobytes() == orders.tobytes()
    assert len(after) > len(orders)
    prices = history.held.rows(SectionKind.FILL, 0)["price"]
    assert prices[-1] > 1.05 * prices[0], "decided by the other code"
    verdict = await verify(house.tape, house.reader, house.decider, spec.session)
    assert (verdict.equal, verdict.detail[:10]) == (None, "other code")
    assert "verify it with the release that was installed when it began, or fork it" in verdict.detail


async def test_a_session_without_a_snapshot_cannot_go_on(house: MemoryHouse) -> None:
    """Where no snapshot was left, another code has nothing to go on from: the session fails and says so."""
    spec = await suspended(house, KILLED)
    async with house.host("new") as host:
        await is_suspended(host, spec)
        await house.send(ChangeCode(key="c", user="ann", session=spec.session, code_hash="other"))
        history = await house.ended(spec.session)
    assert history.failed is not None
    assert history.failed.code == "NO_SNAPSHOT"


async def test_a_running_session_keeps_its_code(house: MemoryHouse) -> None:
    """A change of code is for suspended sessions; one that runs refuses it."""
    recording = (await house.record(walk(40_000))).recording
    async with house.host():
        wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, acceleration=1.0)
        spec = await house.start_session(wish)
        answer = await house.send(ChangeCode(key="c", user="ann", session=spec.session, code_hash="other"))
        await house.send(StopSession(key="s", user="ann", session=spec.session))
        kinds = [type(fact) for fact in await facts_of(house, spec)]
    assert isinstance(answer, CommandRefused)
    assert (answer.code, answer.field) == ("CONFLICT", "code_hash")
    assert kinds[-1] is SessionEnded


async def test_a_suspended_session_takes_no_place(house: MemoryHouse) -> None:
    """Suspended sessions count neither as running ones nor as the same that is asked for again."""
    recording = (await house.record(walk(100))).recording
    spec = await house.plan(SessionWish(mode="paper", recording=recording.id, strategies=EMA))
    desk = Desk(DeskLimits(sessions_max=1))
    desk.note_fact(SessionStarted(spec=spec), 1)
    same = StartSession(key="k", user="ann", spec=spec, idempotent=True)
    assert desk.decide(same, 2).answer == CommandAccepted(key="k", cause=2, session=spec.session, changed=False)
    desk.note_fact(SessionClaimed(session=spec.session, engine="e", epoch=1), 3)
    desk.note_fact(SessionSuspended(session=spec.session, code_hash=spec.code_hash, found_hash="other"), 4)
    another = await house.plan(SessionWish(mode="paper", recording=recording.id, strategies=EMA))
    found = desk.decide(StartSession(key="l", user="ann", spec=another, idempotent=True), 5)
    assert found.started is not None


async def test_a_verification_is_kept_with_its_session(house: MemoryHouse) -> None:
    """What a replay found becomes a fact of the ended session; a running one refuses it."""
    recording = (await house.record(walk(3_000))).recording
    async with house.host():
        wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, acceleration=1.0)
        spec = await house.start_session(wish)
        note = NoteVerification(key="n", user="ann", session=spec.session, equal=True, decision_hash="h", rows=3)
        early = await house.send(note)
        await house.send(StopSession(key="s", user="ann", session=spec.session))
        await house.ended(spec.session)
        kept = await house.send(msgspec.structs.replace(note, key="m"))
        facts = await facts_of(house, spec)
    assert isinstance(early, CommandRefused)
    assert isinstance(kept, CommandAccepted)
    assert facts[-1] == SessionVerified(session=spec.session, equal=True, decision_hash="h", rows=3)
