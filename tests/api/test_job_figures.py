"""Which session the figures of a job are of."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.streams.job_messages import job_messages
from api.streams.jobs import JobEvent, Known, as_it_is
from engine.jobs.backtest import BacktestBody
from engine.sessions.plan import StrategyWish
from events.facts.jobs import JobProgressed
from projections.duckdb.read_model import DuckReadModel
from projections.runner import ProjectionRunner
from tests.engine.jobs.job_house import wish
from tests.engine.jobs.test_other_code import Releases
from tests.engine.jobs.test_walkforward import waves
from tests.engine.sessions.memory_house import until


async def test_a_backtest_that_was_begun_anew_is_told_with_its_own_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backtest that goes on in a new release is told with the figures of the session that trades now, not with
    those of the one that the old release left.
    """
    house = Releases(tmp_path)
    await house.start()
    recording = (await house.record(waves())).recording.id
    strategies = (StrategyWish(strategy="ema_cross", params={"fast": 2, "slow": 3}),)
    model = DuckReadModel(tmp_path / "read.duckdb")
    model.open()
    runner = ProjectionRunner(house.tape, [model], clock=house.clock)
    await runner.start()

    async def known() -> Known:
        await runner.wait_until((await house.tape.info()).last, 5)
        with model.store.read() as snapshot:
            return as_it_is(snapshot, "j1")

    async def traded() -> bool:
        found = (await known()).session
        return found is not None and found.trades > 0

    async with house.worker("w1"):
        await house.submit("j1", BacktestBody(wish=wish(recording, strategies=strategies, acceleration=80_000.0)))
        await house.until_session("j1")
    first = (await known()).session
    house.upgrade(monkeypatch)
    async with house.worker("w2"):
        await until(traded)
        found = await known()
        names = await house.sessions()
    await runner.close()
    model.close()
    assert first is not None
    assert (first.session, len(names)) == ("j1", 2)
    assert found.session is not None
    assert (found.session.session, found.session.state) == (names[1], "running")
    event = JobEvent(JobProgressed(job="j1", epoch=2, ratio=0.1), found.job, 1, 1, found.session, found.peak)
    ((_, kind, figures),) = [one for one in job_messages(event) if one[0] == "backtest"]
    assert (kind, figures["tradesExecuted"]) == ("backtest_progress", found.session.trades)
    assert figures["currentEquity"] == found.session.equity
