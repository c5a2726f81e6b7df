"""A walk-forward as a job: in a market whose best parameters are known each fold finds them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from engine.jobs.backtest import BacktestBody
from engine.jobs.life import JobState
from engine.jobs.walkforward import WalkforwardBody, WalkforwardResult
from engine.research.forking import ForkWish, fork
from engine.research.verify import verify
from engine.research.walkforward import Windows
from engine.sessions.plan import StrategyWish
from events.facts import HaltLane, StartSession, SubmitOrder
from events.facts.jobs import JobCompleted
from events.rows import Rows, SectionKind
from tests.engine.jobs.job_house import JobHouse, wish
from tests.engine.sessions.memory_house import walk

HOUR_NS = 3_600_000_000_000
ROWS = 24 * 8
BEGIN_NS = 1_700_000_000_000_000_000 // HOUR_NS * HOUR_NS


def hourly(prices: np.ndarray) -> Rows:
    """A trade of an instrument each hour."""
    rows = walk(len(prices))
    rows["ts_event_ns"] = rows["ts_received_ns"] = BEGIN_NS + np.arange(len(prices)) * HOUR_NS
    rows["price"], rows["instrument"], rows["quantity"] = np.round(prices, 2), 0, 1e6
    return rows


def waves() -> Rows:
    """Hourly prices that rise for ten hours and fall for ten: quick averages follow, slow ones are late."""
    return hourly(100.0 + np.abs(np.arange(ROWS) % 20 - 10))


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


async def test_a_cross_soon_after_the_test_begins_is_traded(tmp_path: Path) -> None:
    """Prices fall until the test begins and rise from there: the averages cross ten bars into it, while the slow one
    has not seen its window there. The fold trades that cross, is measured from the test's first row on, verifies, and
    is the same again as a fork.
    """
    house = JobHouse(tmp_path)
    await house.start()
    falling = 100.0 - 0.1 * np.arange(24 * 3)
    recording = (await house.record(hourly(np.append(falling, falling[-1] + 0.08 * np.arange(1, 50))))).recording.id
    asked = BacktestBody(wish=wish(recording, strategies=(StrategyWish(strategy="ema_cross"),)))
    windows = Windows(train_days=3, test_days=2, step_days=1)
    body = WalkforwardBody(backtest=asked, grid=({"fast": 5, "slow": 20},), windows=windows)
    async with house.worker():
        await house.submit("wf", body, kind="walkforward")
        await house.until_state("wf", JobState.COMPLETED)
        (found,) = [one for _, one in await house.facts() if isinstance(one, JobCompleted)]
        (fold,) = msgspec.json.decode(found.result, type=WalkforwardResult).folds
        history = await house.ended("wf_test0")
        forked = fork(history, ForkWish(), "again", "ann", await house.library())
        await house.send(StartSession(key="again", user="ann", spec=forked))
        again = await house.ended("again")
    signals, marks = (history.held.rows(kind, 0) for kind in (SectionKind.SIGNAL, SectionKind.MARK))
    assert signals["ts_event_ns"].tolist() == [fold.test_ns + 10 * HOUR_NS]
    assert len(history.held.rows(SectionKind.FILL, 0)) == 1
    assert fold.total_return is not None
    assert fold.total_return > 0.0
    assert (marks["ts_event_ns"][0], marks["equity"][0]) == (fold.test_ns, history.started.spec.limits.cash)
    assert history.ended is not None
    assert history.ended.inputs == 24 * 5
    assert (await verify(house.tape, house.reader, house.decider, "wf_test0")).equal
    cold = await house.plan(asked.wish)
    assert cold.code_hash != history.started.spec.code_hash, "what a start means is code too"
    assert again.ended is not None, again.failed
    assert again.ended.decision_hash == history.ended.decision_hash


async def test_a_session_before_its_start_takes_no_orders_by_hand(tmp_path: Path) -> None:
    """What lies before the start is looked at and not traded, by nobody: not by hand, nor is a lane let go on."""
    house = JobHouse(tmp_path)
    await house.start()
    spec = await house.plan(wish((await house.record(hourly(np.full(48, 100.0)))).recording.id))
    late = msgspec.structs.replace(spec.input, trade_from_ns=BEGIN_NS + 24 * HOUR_NS)
    decider = house.decider(msgspec.structs.replace(spec, input=late))
    rows = hourly(np.full(48, 100.0))
    rows["instrument"] = spec.instruments[0].number
    order = SubmitOrder(key="o", user="ann", session="s1", symbol="AAA", side="buy", kind="market", quantity=1.0)
    halt = HaltLane(key="h", user="ann", session="s1", strategy="ema_cross", symbol="AAA", halted=False)
    decider.rows(rows[:24], SectionKind.MARKET)
    assert [decider.refusal(one) is None for one in (order, halt)] == [False, False]
    decider.rows(rows[24:25], SectionKind.MARKET)
    assert [decider.refusal(one) is None for one in (order, halt)] == [True, True]
