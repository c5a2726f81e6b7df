"""Claims: who runs a session, and what a late look at the tape may not do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec

from engine.sessions.desk import Desk, DeskLimits
from engine.sessions.host import Host
from engine.sessions.life import SessionState
from engine.sessions.plan import SessionWish, StrategyWish
from events import codec, subjects
from events.facts import (
    CommandAccepted,
    CommandRefused,
    Fact,
    Place,
    SessionClaimed,
    SessionEnded,
    SessionFailed,
    SessionSpec,
    SessionStarted,
    StartSession,
    StopSession,
)
from events.memory_keys import MemoryKeys
from tests.engine.sessions.memory_house import QUICK, MemoryHouse, until, walk
from tests.engine.sessions.stalled_tail import StalledTails

EMA = (StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),)


async def facts_of(house: MemoryHouse, spec: SessionSpec) -> list[Fact]:
    """The facts of a session's own subject, in order."""
    subject = subjects.session_fact(spec.session, research=spec.research)
    read = [codec.decode(message.body) async for message in house.tape.read(1, subjects=(subject,))]
    return [fact for fact in read if isinstance(fact, Fact)]


async def test_a_late_host_claims_no_session_that_is_over(tmp_path: Path) -> None:
    """A host that hears late of a session's end does not claim it again: nothing stands behind the end."""
    house = MemoryHouse(tmp_path)
    await house.start()
    recording = (await house.record(walk(4_000))).recording
    wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, acceleration=1_000.0)
    stalled = StalledTails()
    async with house.host("late", tape=house.tape.share(faults=stalled)) as host:
        spec = await house.start_session(wish)

        async def runs() -> bool:
            found = host.desk.sessions.get(spec.session)
            return found is not None and found.state is SessionState.RUNNING

        await until(runs)
        stalled.hold()
        await house.ended(spec.session)
        await asyncio.sleep(0.5)  # ten times as long as a host rests before it claims again
        stalled.go_on()
        await until(lambda: _folded(host, house))
        kinds = [type(fact) for fact in await facts_of(house, spec)]
    assert kinds.count(SessionClaimed) == 1
    assert kinds[-1] is SessionEnded


async def test_a_claim_behind_the_end_harms_no_host(tmp_path: Path) -> None:
    """A tape on which a claim stands behind a session's end is read like any other; the session stays over."""
    house = MemoryHouse(tmp_path)
    await house.start()
    recording = (await house.record(walk(100))).recording
    async with house.host():
        spec = await house.start_session(SessionWish(mode="paper", recording=recording.id, strategies=EMA))
        await house.ended(spec.session)
    subject = subjects.session_fact(spec.session)
    stray = SessionClaimed(session=spec.session, engine="late", epoch=2)
    await house.tape.append(codec.to_append(stray, subject, "stray"))
    async with house.host("fresh") as host:
        another = await house.plan(SessionWish(mode="paper", recording=recording.id, strategies=EMA))
        await house.send(StartSession(key="another", user="ann", spec=another))
        assert (await house.ended(another.session)).ended is not None
        assert host.desk.ended[spec.session].state is SessionState.COMPLETED


class SlowKeys(MemoryKeys):
    """Keys whose first answer about an engine comes when something else has happened."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def get(self, key: str) -> bytes | None:
        """See `Keys.get`."""
        if key == "engine.first" and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return await super().get(key)


async def test_a_session_that_ends_while_another_is_claimed_is_no_trouble(tmp_path: Path) -> None:
    """A host that looks for free sessions goes on when one of them ends, and is folded, before its turn comes."""
    house = MemoryHouse(tmp_path)
    await house.start()
    recording = (await house.record(walk(40_000))).recording
    wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, acceleration=1.0)
    async with house.host("first") as host:
        specs = [await house.start_session(wish) for _ in range(2)]
        running = [partial(_is_run_by, "first", host, spec.session) for spec in specs]
        await until(running[0])
        await until(running[1])
    keys = SlowKeys(lifetime_seconds=1.0, clock=house.clock)
    async with house.host("second", keys=keys) as host:
        last = specs[-1].session

        async def ends() -> None:
            end = SessionEnded(
                session=last, reason="stopped", inputs=0, place=Place(), decision_hash="", counts={}, equity=0.0
            )
            await house.tape.append(codec.to_append(end, subjects.session_fact(last), "end"))
            await until(partial(_is_forgotten, host, last))

        keys.meanwhile = ends
        await until(partial(_is_run_by, "second", host, specs[0].session))
        assert keys.meanwhile is None
        await house.start_session(wish)  # answered: the host goes on
        await house.send(StopSession(key="stop", user="ann", session=specs[0].session))
        assert (await house.ended(specs[0].session)).ended is not None


async def _is_run_by(engine: str, host: Host, session: str) -> bool:
    found = host.desk.sessions.get(session)
    return found is not None and found.engine == engine


async def _is_forgotten(host: Host, session: str) -> bool:
    return session not in host.desk.sessions


async def test_no_more_sessions_run_than_the_settings_say(tmp_path: Path) -> None:
    """The start of one session more than `sessions_max` is refused with that number."""
    house = MemoryHouse(tmp_path)
    await house.start()
    recording = (await house.record(walk(40_000))).recording
    wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, acceleration=1.0)
    async with house.host("a", limits=msgspec.structs.replace(QUICK, sessions_max=1)):
        first = await house.start_session(wish)
        refused = await house.send(StartSession(key="more", user="ann", spec=await house.plan(wish)))
        await house.send(StopSession(key="stop", user="ann", session=first.session))
    assert isinstance(refused, CommandRefused)
    assert (refused.code, "sessions_max is 1" in refused.message) == ("LIMIT_REACHED", True)


async def _folded(host: object, house: MemoryHouse) -> bool:
    last = await house.tape.last("tape.session.*.fact")
    return last is not None and host.folded >= last.sequence  # type: ignore[attr-defined]


async def test_the_desk_forgets_what_sessions_were(tmp_path: Path) -> None:
    """Of a session that is over the desk keeps the state only, of the newest; its id stays used."""
    house = MemoryHouse(tmp_path)
    await house.start()
    recording = (await house.record(walk(100))).recording
    spec = await house.plan(SessionWish(mode="paper", recording=recording.id, strategies=EMA))
    desk = Desk(DeskLimits(ended_max=2))
    for number, name in enumerate(("a", "b", "c")):
        at = 10 * number
        desk.note_fact(SessionStarted(spec=msgspec.structs.replace(spec, session=name)), at + 1)
        desk.note_fact(SessionClaimed(session=name, engine="e", epoch=1), at + 2)
        desk.note_fact(SessionFailed(session=name, code="BUG", message=""), at + 3)
    assert (desk.sessions, desk.running, list(desk.ended)) == ({}, {}, ["b", "c"])
    stop = desk.decide(StopSession(key="1", user="ann", session="c"), 40).answer
    assert stop == CommandAccepted(key="1", cause=40, session="c", changed=False)
    again = desk.decide(StartSession(key="2", user="ann", spec=msgspec.structs.replace(spec, session="b")), 41).answer
    assert isinstance(again, CommandRefused)
    assert again.code == "CONFLICT"


async def test_a_session_that_nobody_has_claimed_can_be_stopped(tmp_path: Path) -> None:
    """It waits while its engine runs as many as it may: a stop is answered at once, and nobody claims it later."""
    house = MemoryHouse(tmp_path)
    await house.start()
    recording = (await house.record(walk(4_000))).recording
    wish = SessionWish(mode="paper", recording=recording.id, strategies=EMA, acceleration=1.0)
    async with house.host("busy", limits=msgspec.structs.replace(QUICK, concurrent_max=1)) as host:
        first = await house.start_session(wish)

        async def runs() -> bool:
            found = host.desk.sessions.get(first.session)
            return found is not None and found.state is SessionState.RUNNING

        await until(runs)
        waiting = await house.start_session(msgspec.structs.replace(wish, name="waiting"))
        answer = await house.send(StopSession(key="enough", user="ann", session=waiting.session))
        assert isinstance(answer, CommandAccepted)
        await house.ended(waiting.session)
        again = await house.send(StopSession(key="again", user="ann", session=waiting.session))
        assert (isinstance(again, CommandAccepted), again.changed) == (True, False)
        await house.send(StopSession(key="first", user="ann", session=first.session))
        await house.ended(first.session)
    kinds = [type(fact) for fact in await facts_of(house, waiting)]
    assert (kinds.count(SessionClaimed), kinds[-1]) == (0, SessionEnded)
