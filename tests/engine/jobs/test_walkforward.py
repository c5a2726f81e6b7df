"""A walk-forward as a job: in a market whose best parameters are known each fold finds them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from engine.jobs.backtest import BacktestBody
from engine.jobs.life import JobState
from engine.jobs.walkforward import WalkforwardBody, WalkforwardResult
from engine.research.walkforward import Windows
from engine.sessions.plan import StrategyWish
from events.facts.jobs import JobCompleted
from events.rows import Rows
from tests.engine.jobs.job_house import JobHouse, wish
from tests.engine.sessions.memory_house import walk

HOUR_NS = 3_600_000_000_000
ROWS = 24 * 8


def waves() -> Rows:
    """Hourly prices that rise for ten hours and fall for ten: quick averages follow, slow ones are late."""
    rows = walk(ROWS)
    rows["ts_event_ns"] = rows["ts_received_ns"] = rows["ts_event_ns"][0] + np.arange(ROWS) * HOUR_NS
    rows["price"] = 100.0 + np.abs(np.arange(ROWS) % 20 - 10)
    rows["instrument"], rows["quantity"] = rows["instrument"][0], 1e6
    return rows


async def test_each_fold_fits_what_suits_the_market(tmp_path: Path) -> None:
    """Of averages that turn within a wave and averages that turn behind it, every fold takes the first and gains."""
    house = JobHouse(tmp_path)
    await house.start()
    recording = (await house.record(waves())).recording.id
    asked = BacktestBody(wish=wish(recording, strategies=(StrategyWish(strategy="ema_cross"),)))
    body = WalkforwardBody(
        backtest=asked,
        grid=({"fast": 9, "slow": 19}, {"fast": 2, "slow": 3}),
        windows=Windows(train_days=3, test_days=2, step_days=1),
        objective="return",
    )
    async with house.worker():
        await house.submit("wf", body, kind="walkforward")
        await house.until_state("wf", JobState.COMPLETED)
        (found,) = [one for _, one in await house.facts() if isinstance(one, JobCompleted)]
    result = msgspec.json.decode(found.result, type=WalkforwardResult)
    assert len(result.folds) == 3
    for fold in result.folds:
        assert (fold.params["fast"], fold.params["slow"]) == (2, 3)
        assert fold.trained_return > 0.0
        assert fold.total_return is not None
        assert fold.total_return > 0.0
