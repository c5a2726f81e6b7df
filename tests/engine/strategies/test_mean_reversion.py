"""`mean_reversion`: entry far from the mean, exit near it, one bet at a time."""

from __future__ import annotations

import numpy as np
import pytest

from engine.strategies.mean_reversion import STRATEGY, Params
from tests.engine.strategies.driving import Drive, Trade, signals, trades

FLAT = [100.0, 100.2, 99.8, 100.1, 99.9] * 4  # 20 prices
WINDOW = {"window": 20, "entry_z": 2.0, "exit_z": 0.5}


def prices(values: list[float], gap: float = 1.0) -> list[Trade]:
    """One trade of 1 a step."""
    return [(gap * at, value, 1.0) for at, value in enumerate(values)]


def scores(values: list[float], window: int) -> list[float]:
    """The z-score of each price, newest included, by numpy."""
    return [
        float((values[end] - np.mean(values[end - window + 1 : end + 1])) / np.std(values[end - window + 1 : end + 1]))
        for end in range(window - 1, len(values))
    ]


def test_golden_bets() -> None:
    """A fall is bought and sold near the mean; a rise is sold short and bought back near it."""
    path = [*FLAT, 99.0, 99.2, 99.9, *FLAT, 101.0, 100.8, 100.1, 100.0]
    said = signals(Drive(STRATEGY, **WINDOW).run(trades(prices(path))))
    assert said == GOLDEN
    z = dict(enumerate(scores(path, 20), start=19))
    assert [strength for _, _, strength in said] == [round(z[row], 4) for row, _, _ in said]


GOLDEN = [
    (20, "ENTER_LONG", -3.6566),
    (22, "EXIT", -0.0167),
    (43, "ENTER_SHORT", 3.6566),
    (45, "EXIT", 0.0167),
]


def test_a_trend_is_one_bet() -> None:
    """A price that keeps falling away from its mean is bought once, not at each new low."""
    path = [*FLAT, *(99.0 - 0.5 * at for at in range(15))]
    assert [kind for _, kind, _ in signals(Drive(STRATEGY, **WINDOW).run(trades(prices(path))))] == ["ENTER_LONG"]


def test_time_stop_leaves_and_waits_for_the_mean() -> None:
    """A bet that does not come back is left after `hold_max_s`, and not made again before the score was back."""
    path = [*FLAT, *(99.0 - 0.5 * at for at in range(15))]
    said = signals(Drive(STRATEGY, hold_max_s=10, **WINDOW).run(trades(prices(path))))
    assert [(row, kind) for row, kind, _ in said] == [(20, "ENTER_LONG"), (30, "EXIT")]


def test_a_market_too_still_to_pay_the_costs_is_left_alone() -> None:
    """Where the deviation is under its least share of the price, nothing is entered."""
    path = [*FLAT, 99.0, 99.2, 99.9]
    assert signals(Drive(STRATEGY, deviation_min_ratio=0.01, **WINDOW).run(trades(prices(path)))) == []


def test_a_constant_price_says_nothing() -> None:
    """No deviation is no score."""
    assert signals(Drive(STRATEGY, deviation_min_ratio=0.0, **WINDOW).run(trades(prices([100.0] * 60)))) == []


def test_exit_must_be_inside_entry() -> None:
    """An exit score beyond the entry score is refused, and says which."""
    with pytest.raises(ValueError, match=r"exit_z is 3.0 and entry_z 2.0"):
        Params(entry_z=2.0, exit_z=3.0)
