"""A job learns of the end of its session, whatever stands behind it on the tape."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.jobs.backtest import BacktestBody
from engine.jobs.life import JobState
from engine.jobs.steps import Steps
from engine.jobs.work import Work
from events import codec, subjects
from events.facts import CommandAccepted, CommandRefused, Fact, SessionSuspended, SessionVerified, SubmitOrder
from events.facts.jobs import JobFailed
from tests.engine.jobs.job_house import JobHouse, wish
from tests.engine.jobs.test_other_code import Releases
from tests.engine.sessions.memory_house import until, walk
from tests.engine.sessions.test_suspension import OtherCode

ROWS = 400
ANSWERED = {"key": "k", "cause": 1, "session": "j"}
BEHIND: tuple[Fact, ...] = (
    SessionVerified(session="j", equal=True, decision_hash="", rows=1),
    CommandRefused(**ANSWERED, code="CONFLICT", message="It is over.", field="session"),
    CommandAccepted(**ANSWERED),
)


@pytest.mark.parametrize("upgraded", [False, True])
@pytest.mark.parametrize("behind", BEHIND, ids=lambda fact: type(fact).__name__)
async def test_what_stands_behind_an_end_is_no_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind: Fact, upgraded: bool
) -> None:
    """A job whose session ended, and was verified before its worker told the job's end, is completed by the next
    worker with that session, under the same code or another.
    """
    house = Releases(tmp_path)
    await house.start()
    recording = (await house.record(walk(ROWS))).recording.id
    with monkeypatch.context() as dying:
        dying.setattr(Steps, "completed", lambda *_: asyncio.Event().wait())
        async with house.worker("w1"):
            await house.submit("j", BacktestBody(wish=wish(recording)))
            await house.until_session("j")
            await house.ended("j")
    await house.tape.append(codec.to_append(behind, subjects.session_fact("j", research=True), "behind"))
    house.old = not upgraded
    async with house.worker("w2"):
        await house.until_state("j", JobState.COMPLETED, JobState.FAILED)
    assert (await house.queue()).state("j") is JobState.COMPLETED
    assert await house.sessions() == ["j"]


async def test_an_order_to_a_suspended_session_does_not_hide_that_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job whose session met other code fails and says so, though an order to that session was refused meanwhile."""
    house = JobHouse(tmp_path)
    house.decider = lambda spec: OtherCode(spec, house.strategies)  # type: ignore[method-assign]
    await house.start()
    recording = (await house.record(walk(ROWS))).recording.id
    asked, follow = asyncio.Event(), Work._follow

    async def late(work: Work, *given: object) -> None:
        await follow(work, *given)  # type: ignore[arg-type]
        await asked.wait()

    monkeypatch.setattr(Work, "_follow", late)

    async def suspended() -> bool:
        return any(isinstance(one, SessionSuspended) for _, one in await house.facts("tape.research.*.fact"))

    async with house.worker("w1"):
        await house.submit("j", BacktestBody(wish=wish(recording)))
        await until(suspended)
        order = SubmitOrder(key="o", user="ann", session="j", symbol="AAA", side="buy", kind="market", quantity=1.0)
        assert isinstance(await house.send(order), CommandRefused)
        asked.set()
        await house.until_state("j", JobState.COMPLETED, JobState.FAILED)
    assert [one.code for _, one in await house.facts() if isinstance(one, JobFailed)] == ["OTHER_CODE"]
