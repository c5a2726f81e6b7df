"""Sweeps and Monte Carlo simulations as jobs: every run is a backtest, and the result says which were best."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.jobs import sweep as sweep_kind
from engine.jobs.backtest import BacktestBody, BacktestResult
from engine.jobs.life import JobState
from engine.jobs.montecarlo import MonteCarloBody, MonteCarloResult, drawn_from
from engine.jobs.sweep import SweepBody, SweepResult
from engine.research.montecarlo import MonteCarloWish, of_returns, of_trades
from engine.research.outcome import outcome
from engine.research.walkforward import OBJECTIVES
from engine.sessions.plan import StrategyWish
from events.facts import SessionCosts
from events.facts.jobs import JobClaimed, JobCompleted, JobFailed
from tests.engine.jobs.job_house import JobHouse, wish
from tests.engine.jobs.test_walkforward import waves
from tests.engine.sessions.memory_house import walk

GRID = tuple({"fast": fast, "slow": slow} for fast in (2, 3, 5, 9) for slow in (12, 19))


async def house_of(folder: Path) -> tuple[JobHouse, str]:
    """A house with eight days of waves."""
    house = JobHouse(folder)
    await house.start()
    return house, (await house.record(waves())).recording.id


def body_of(recording: str, **params: int) -> BacktestBody:
    """A backtest with some parameters."""
    return BacktestBody(wish=wish(recording, strategies=(StrategyWish(strategy="ema_cross", params=params),)))


async def completed(house: JobHouse, job: str, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """The result of a job."""
    await house.until_state(job, JobState.COMPLETED)
    (found,) = [one for _, one in await house.facts() if isinstance(one, JobCompleted) and one.job == job]
    return msgspec.json.decode(found.result, type=kind)


async def test_a_sweep_is_the_backtests_of_its_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is held at once, the runs are those of the grid; the first is best, and has the hash, return, drawdown
    and Sharpe ratio of the backtest with its parameters."""
    monkeypatch.setattr(sweep_kind, "RUNS_HELD_MAX", 3)
    house, recording = await house_of(tmp_path)
    async with house.worker():
        await house.submit("sw", SweepBody(backtest=body_of(recording), grid=GRID, objective="sharpe"), kind="sweep")
        found = await completed(house, "sw", SweepResult)
        assert isinstance(found, SweepResult)
        best = found.best[0]
        await house.submit("bt", body_of(recording, fast=int(best.params["fast"]), slow=int(best.params["slow"])))
        same = await completed(house, "bt", BacktestResult)
    assert isinstance(same, BacktestResult)
    assert found.sessions == ("sw", "sw_part1", "sw_part2")
    assert found.runs == len(GRID)
    for one in found.best:
        assert {name: one.params[name] for name in ("fast", "slow")} == GRID[one.run]
    scores = [OBJECTIVES["sharpe"](one) for one in found.best]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) > 3
    assert best.decision_hash == same.decision_hash
    assert best.sharpe_ratio == same.measurements.value("sharpe_ratio")
    assert best.return_ratio == pytest.approx(same.measurements.value("total_return"))


async def test_a_simulation_draws_what_a_session_decided(tmp_path: Path) -> None:
    """Of trades and of blocks of returns, as the session's own log has them; what has not ended is refused."""
    house, recording = await house_of(tmp_path)
    async with house.worker():
        await house.submit("bt", body_of(recording, fast=2, slow=12))
        await completed(house, "bt", BacktestResult)
        came_to = outcome(await house.ended("bt"))
        for method, draw in (("trades", of_trades), ("returns", of_returns)):
            asked = MonteCarloWish(simulations=200, seed=4, method=method, block=6)  # type: ignore[arg-type]
            await house.submit(f"mc_{method}", MonteCarloBody(session="bt", wish=asked), kind="montecarlo")
            found = await completed(house, f"mc_{method}", MonteCarloResult)
            assert isinstance(found, MonteCarloResult)
            values = drawn_from(came_to, method)  # type: ignore[arg-type]
            assert values.size > 5
            assert found.monte_carlo == draw(values, asked)
            assert found.monte_carlo.method == method
            assert found.equity == pytest.approx(float(came_to.curve.equity[-1]) / found.cash)
        await house.submit("mc_none", MonteCarloBody(session="nosuch"), kind="montecarlo")
        await house.until_state("mc_none", JobState.FAILED)
    (failed,) = [one for _, one in await house.facts() if isinstance(one, JobFailed)]
    assert "nosuch" in failed.message


async def test_trades_of_sizes_by_equity_are_drawn_as_shares_of_it(tmp_path: Path) -> None:
    """Where an entry risks a share of the equity, what is drawn compounds: in the order in which the trades came they
    come to what the session made of them.
    """
    house, recording = await house_of(tmp_path)
    body, costs = body_of(recording, fast=2, slow=12), SessionCosts(risk_ratio=0.2, leverage=5.0)
    limits = msgspec.structs.replace(body.wish.limits, stop_loss_ratio=0.05, global_cap=0.0, costs=costs)
    long = tuple(msgspec.structs.replace(one, direction="long") for one in body.wish.strategies)
    wished = msgspec.structs.replace(body.wish, limits=limits, strategies=long)
    async with house.worker():
        await house.submit("bt", msgspec.structs.replace(body, wish=wished))
        await completed(house, "bt", BacktestResult)
        asked = MonteCarloWish(simulations=200, seed=4)
        await house.submit("mc", MonteCarloBody(session="bt", wish=asked), kind="montecarlo")
        found = await completed(house, "mc", MonteCarloResult)
        came_to = outcome(await house.ended("bt"))
    assert isinstance(found, MonteCarloResult)
    values, closed = drawn_from(came_to, "trades"), came_to.trades[came_to.trades["open"] == 0]
    assert values.size > 5
    assert np.prod(1.0 + values) == pytest.approx(1.0 + closed["pnl"].sum() / found.cash)
    assert found.monte_carlo == of_trades(values, asked, compounding=True)


async def test_a_sweep_whose_worker_ends_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker goes on with the parts that are left: the result is that of a sweep nobody interrupted, once."""
    monkeypatch.setattr(sweep_kind, "RUNS_HELD_MAX", 2)
    house = JobHouse(tmp_path)
    await house.start()
    recording = (await house.record(walk(60_000))).recording.id
    grid = tuple({"fast": fast, "slow": 20} for fast in range(2, 10))
    body = SweepBody(backtest=body_of(recording), grid=grid)
    async with house.worker("w1"):
        await house.submit("sw", body, kind="sweep")
        await house.until_session("sw_part1")
    assert (await house.queue()).state("sw") is JobState.RUNNING
    async with house.worker("w2"):
        found = await completed(house, "sw", SweepResult)
        await house.submit("again", body, kind="sweep")
        again = await completed(house, "again", SweepResult)
    assert isinstance(found, SweepResult)
    assert isinstance(again, SweepResult)
    assert (found.best, found.runs) == (again.best, len(grid))
    sessions = [name for name in await house.sessions() if name.startswith("sw")]
    assert sessions == ["sw", "sw_part1", "sw_part2", "sw_part3"]
    assert [one.epoch for _, one in await house.facts() if isinstance(one, JobClaimed) and one.job == "sw"] == [1, 2]
