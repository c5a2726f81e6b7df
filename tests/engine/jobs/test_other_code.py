"""Jobs that another release began: what it left is begun anew under the code of now, once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.jobs.backtest import BacktestBody
from engine.jobs.life import JobState
from engine.jobs.walkforward import WalkforwardBody, WalkforwardResult
from engine.research import sweeping
from engine.research.verify import verify
from engine.research.walkforward import Windows
from engine.sessions import history as histories
from engine.sessions.plan import Library, StrategyWish
from events.facts import SessionSuspended
from events.facts.jobs import JobCompleted, JobFailed
from tests.engine.jobs.job_house import JobHouse, wish
from tests.engine.jobs.test_walkforward import waves
from tests.engine.sessions.memory_house import until
from tests.engine.sessions.test_suspension import OtherCode


class Releases(JobHouse):
    """A house whose workers run the code of another release until it is upgraded."""

    old = True

    def upgrade(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The next worker has the code of now."""
        monkeypatch.undo()
        self.old = False

    def decider(self, spec):  # type: ignore[no-untyped-def]
        """Of the release."""
        return OtherCode(spec, self.strategies) if self.old else super().decider(spec)

    async def library(self) -> Library:
        """Of the release."""
        found = await super().library()
        return msgspec.structs.replace(found, code_hash=lambda *_: "other") if self.old else found


async def test_a_job_goes_on_in_a_new_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk-forward whose worker was upgraded in the middle of a test ends with one result: what the old code ended
    stands, the test it had begun is begun anew under a name of the new code, and the old one is stopped.
    """
    house = Releases(tmp_path)
    monkeypatch.setattr(sweeping, "code_hash_for", lambda *_: "other")
    await house.start()
    recording = (await house.record(waves())).recording.id
    asked = BacktestBody(wish=wish(recording, strategies=(StrategyWish(strategy="ema_cross"),), acceleration=400_000.0))
    body = WalkforwardBody(
        backtest=asked,
        grid=({"fast": 2, "slow": 3},),
        windows=Windows(train_days=3, test_days=2, step_days=2),
    )
    async with house.worker("w1"):
        await house.submit("wf", body, kind="walkforward")
        await house.until_session("wf_test0")
    house.upgrade(monkeypatch)
    async with house.worker("w2"):
        await house.until_state("wf", JobState.COMPLETED, JobState.FAILED)
        left = await house.ended("wf_test0")
    facts = [one for _, one in await house.facts()]
    assert not [one for one in facts if isinstance(one, JobFailed)]
    (found,) = [one for one in facts if isinstance(one, JobCompleted)]
    names = [one.session for one in msgspec.json.decode(found.result, type=WalkforwardResult).folds]
    anew = names[0]
    assert await house.sessions() == ["wf_train0", "wf_test0", anew, "wf_train1", "wf_test1"]
    assert names == [anew, "wf_test1"]
    started = (await histories.read(house.tape, anew)).started.spec
    assert anew == f"wf_test0_{started.code_hash[:8]}"
    assert (await verify(house.tape, house.reader, house.decider, anew)).equal
    assert left.ended is not None
    assert left.ended.reason == "stopped"


async def test_a_sweep_of_another_code_is_suspended(tmp_path: Path) -> None:
    """A sweep does not go on under other code than it says: its runs would have hashes of none that it names."""
    house = JobHouse(tmp_path)
    await house.start()
    recording = (await house.record(waves())).recording.id
    grid = ({"fast": 2, "slow": 3},)
    async with house.host():
        plain = house.library

        async def library() -> Library:
            return msgspec.structs.replace(await plain(), code_hash=lambda *_: "other")

        house.library = library  # type: ignore[method-assign]
        spec = await house.start_session(wish(recording, grid=grid))

        async def suspended() -> bool:
            facts = [one for _, one in await house.facts("tape.research.*.fact")]
            return any(isinstance(one, SessionSuspended) and one.session == spec.session for one in facts)

        await until(suspended)
