"""Windows, grids, fits and spreads of a walk-forward, and which of several results is best."""

from __future__ import annotations

import pytest

from engine.research.compare import best
from engine.research.metrics.annualisation import Annualisation
from engine.research.metrics.measure import Measurement, Measurements
from engine.research.sweeping import SweepRow
from engine.research.walkforward import DAY_NS, Spread, Windows, fittest, folds, grid, spread, usual_grid
from engine.strategies.ema_cross import STRATEGY
from events.errors import InvalidInput


def test_folds_follow_each_other_by_the_step() -> None:
    """A year of data with 180, 30 and 30 days: six folds, each test right behind its fit, none beyond the data."""
    found = folds(5, 5 + 365 * DAY_NS, Windows(train_days=180, test_days=30, step_days=30))
    assert len(found) == 6
    assert all(one.test_ns - one.train_ns == 180 * DAY_NS for one in found)
    assert all(one.until_ns - one.test_ns == 30 * DAY_NS for one in found)
    assert [one.train_ns for one in found] == [5 + at * 30 * DAY_NS for at in range(6)]
    assert found[-1].until_ns <= 5 + 365 * DAY_NS < found[-1].until_ns + 30 * DAY_NS
    assert len(folds(0, 210 * DAY_NS, Windows())) == 1


@pytest.mark.parametrize(("days", "field"), [(209, "train_window_days"), (10_000, "step_size_days")])
def test_too_few_and_too_many_folds_are_refused(days: int, field: str) -> None:
    """With what to change."""
    with pytest.raises(InvalidInput) as caught:
        folds(0, days * DAY_NS, Windows())
    assert caught.value.field == field


def test_a_grid_leaves_out_what_the_strategy_does_not_allow() -> None:
    """Of half, once and twice each average, those with the fast one below the slow one; other names are refused."""
    found = usual_grid(STRATEGY, {"fast": 50, "slow": 100})
    pairs = [(one["fast"], one["slow"]) for one in found]
    assert pairs == [(25, 50), (25, 100), (25, 200), (50, 100), (50, 200), (100, 200)]
    with pytest.raises(InvalidInput):
        grid(STRATEGY, {}, {"fast": [300], "slow": [200]})
    with pytest.raises(InvalidInput) as caught:
        grid(STRATEGY, {}, {"fast": list(range(2, 20)), "slow": [30, 40, 50, 60]})
    assert caught.value.field == "grid"


def row(run: int, gain: float, fall: float) -> SweepRow:
    """A run of a sweep."""
    return SweepRow(run, {}, 1.0, gain, fall, 1, 1, 0.0, 0.0, "")


def test_the_fittest_is_that_of_the_objective() -> None:
    """By return the greatest, by return over drawdown the steadiest; of equals the first."""
    rows = [row(0, 0.1, 0.02), row(1, 0.3, 0.3), row(2, 0.3, 0.3), row(3, 0.0001, 0.0)]
    assert fittest(rows, "return").run == 1
    assert fittest(rows, "return_over_drawdown").run == 0


def test_a_spread_is_of_what_is_known() -> None:
    """Folds without a figure are left out; by size the least fall is the least."""
    assert spread([1.0, None, 3.0]) == Spread(2.0, 1.0, 1.0, 3.0)
    assert spread([-0.2, -0.1], by_size=True) == Spread(pytest.approx(-0.15), pytest.approx(0.05), -0.1, -0.2)
    assert spread([None]) == Spread(None, None, None, None)


def measured(gain: float, sharpe: float | None, fall: float) -> Measurements:
    """A result with the three figures that are compared."""
    named = (("total_return", gain), ("sharpe_ratio", sharpe), ("max_drawdown", fall))
    return Measurements(tuple(Measurement(name, "", "", value) for name, value in named), Annualisation(), 1)


def test_the_best_by_each_figure() -> None:
    """Greatest return and Sharpe, shallowest fall; what is not defined loses, and of equals the first wins."""
    results = [measured(0.1, None, -0.3), measured(0.2, -1.0, -0.3), measured(0.2, 2.0, -0.1), measured(0.0, 2.0, -0.1)]
    assert best(results) == (1, 2, 2)
    assert best([measured(0.0, None, 0.0)] * 2) == (0, 0, 0)
