"""Monte Carlo against distributions whose figures are known, and the same under the same seed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.research import montecarlo
from engine.research.montecarlo import MonteCarloWish, of_returns, of_trades
from events.errors import InvalidInput

MANY = MonteCarloWish(simulations=10_000, seed=7)


def in_blocks(length: int) -> MonteCarloWish:
    """Many simulations of blocks of a length."""
    return MonteCarloWish(simulations=10_000, seed=7, block=length)


def test_fair_coins_end_as_the_binomial_says() -> None:
    """A hundred trades of +1 % or -1 %: mean 1, deviation a tenth, ruin at 0.9 by the reflection principle."""
    found = of_trades(np.array([0.01, -0.01] * 50), MonteCarloWish(simulations=10_000, seed=7, ruin_ratio=0.9001))
    assert found.final_equity.mean == pytest.approx(1.0, abs=0.004)
    assert found.final_equity.std == pytest.approx(0.1, rel=0.03)
    assert found.final_equity.median == pytest.approx(1.0, abs=0.011)
    # P(S100 <= -16) = 0.0666, so the fifth percentile is -16 or -18 hundredths
    assert found.final_equity.percentile5 == pytest.approx(0.83, abs=0.02)
    above = sum(math.comb(100, wins) for wins in range(51, 101)) / 2**100
    assert found.probability_of_profit == pytest.approx(above, abs=0.015)
    # at 10 % below at any time: P(S <= -10) + P(S < -10)
    ruin = sum(math.comb(100, wins) for wins in range(46)) + sum(math.comb(100, wins) for wins in range(45))
    assert found.probability_of_ruin == pytest.approx(ruin / 2**100, abs=0.015)


def test_what_cannot_vary_does_not() -> None:
    """Equal trades and equal returns come to one end, without a fall."""
    trades = of_trades(np.full(10, 0.02), MANY)
    assert (trades.final_equity.mean, trades.final_equity.std) == (pytest.approx(1.2), pytest.approx(0.0, abs=1e-12))
    assert (trades.max_drawdown.mean, trades.probability_of_profit, trades.probability_of_ruin) == (0.0, 1.0, 0.0)
    returns = of_returns(np.full(10, -0.1), MANY)
    assert returns.final_equity.percentile95 == pytest.approx(0.9**10)
    assert returns.max_drawdown.percentile95 == pytest.approx(0.9**10 - 1)
    assert (returns.probability_of_profit, returns.probability_of_ruin) == (0.0, 1.0)


def test_nobody_loses_more_than_all_and_what_is_gone_does_not_come_back() -> None:
    """A path that loses all ends at 0: of -100 % and +300 %, drawn twice, a half is lost, the rest ends at 3 or 7."""
    found = of_trades(np.array([-1.0, 3.0]), MANY)
    assert found.final_equity.mean == pytest.approx(2.5, abs=0.1)
    assert found.probability_of_total_loss == pytest.approx(0.5, abs=0.015)
    broke = of_trades(np.full(3, -0.6), MANY)
    assert (broke.final_equity.mean, broke.max_drawdown.percentile95) == (0.0, -1.0)
    assert (broke.probability_of_ruin, broke.probability_of_total_loss) == (1.0, 1.0)


def test_trades_that_are_shares_of_equity_compound() -> None:
    """Ten trades that each lose a fifth of what there is leave 0.8 to the tenth, where added up they left nothing."""
    found = of_trades(np.full(10, -0.2), MANY, compounding=True)
    assert found.final_equity.mean == pytest.approx(0.8**10)
    assert found.max_drawdown.percentile95 == pytest.approx(0.8**10 - 1)
    assert (found.compounding, found.probability_of_total_loss) == (True, 0.0)
    assert of_trades(np.full(10, -0.2), MANY).probability_of_total_loss == 1.0


def test_whole_blocks_keep_their_order() -> None:
    """A block as long as the series is the series turned round: every path ends alike."""
    returns = np.array([0.1, -0.2, 0.3, 0.05])
    found = of_returns(returns, in_blocks(4))
    assert found.final_equity.mean == pytest.approx(float(np.prod(1 + returns)))
    assert found.final_equity.std == pytest.approx(0.0, abs=1e-12)


def test_independent_returns_have_the_mean_of_their_product() -> None:
    """Blocks of one are independent: the mean of the product is the product of the means."""
    returns = np.random.default_rng(3).normal(0.001, 0.01, 200)
    found = of_returns(returns, in_blocks(1))
    assert found.final_equity.mean == pytest.approx((1 + returns.mean()) ** 200, rel=0.01)
    spread = math.sqrt(math.exp(200 * math.log1p(returns.var() / (1 + returns.mean()) ** 2)) - 1)
    assert found.final_equity.std / found.final_equity.mean == pytest.approx(spread, rel=0.05)
    assert found.max_drawdown.percentile95 < found.max_drawdown.mean < 0


def test_the_same_seed_gives_the_same_whatever_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal wishes give equal figures however many paths are held at once; another seed gives others."""
    profits = np.random.default_rng(1).normal(0.001, 0.02, 50)
    wish = MonteCarloWish(simulations=200, seed=5)
    one, blocks = of_trades(profits, wish), of_returns(profits, wish)
    monkeypatch.setattr(montecarlo, "CELLS_HELD_MAX", 170)
    assert of_trades(profits, wish) == one
    assert of_returns(profits, wish) == blocks
    assert of_trades(profits, MonteCarloWish(simulations=200, seed=6)) != one


@pytest.mark.parametrize("wrong", [np.array([]), np.array([np.nan]), np.zeros(1_000_000)])
def test_what_cannot_be_simulated_is_refused(wrong: np.ndarray) -> None:
    """Nothing to draw from, no number, and more steps than a core should do."""
    with pytest.raises(InvalidInput):
        of_trades(wrong, MANY)
    with pytest.raises(InvalidInput):
        of_returns(np.array([-1.0]), MANY)
