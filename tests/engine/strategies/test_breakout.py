"""`breakout`: the Donchian channel broken, the narrower one crossed back."""

from __future__ import annotations

import pytest

from engine.strategies.breakout import STRATEGY, Params
from tests.engine.strategies.driving import Drive, signals, trades
from tests.engine.strategies.test_mean_reversion import prices

RANGE = [100.0, 101.0, 100.5, 99.5, 100.0, 101.0, 99.0, 100.0, 100.5, 100.0]
WINDOWS = {"entry_window": 10, "exit_window": 4, "buffer_ratio": 0.0}


def test_golden_moves() -> None:
    """A break upward is bought and left at the low of the last four; a break downward turns round at once."""
    path = [*RANGE, 101.0, 101.5, 102.5, 102.0, 103.0, 101.0, 98.0, 97.0, 97.5, 99.0, 98.9, 99.5]
    assert signals(Drive(STRATEGY, **WINDOWS).run(trades(prices(path)))) == GOLDEN


GOLDEN = [
    (11, "ENTER_LONG", 0.0049),  # 101.5 over 101.0; the 101.0 before it only touches
    (15, "EXIT", -0.005),  # 101.0 under 101.5, the low of the four before
    (16, "ENTER_SHORT", -0.0102),  # 98.0 under 99.0
    (21, "EXIT", 0.005),  # 99.5 over 99.0, the high of the four before
]


def test_one_move_is_one_entry() -> None:
    """New highs of the same move are no new signals."""
    path = [*RANGE, *(101.5 + at for at in range(20))]
    assert [kind for _, kind, _ in signals(Drive(STRATEGY, **WINDOWS).run(trades(prices(path))))] == ["ENTER_LONG"]


def test_a_break_within_the_buffer_is_none() -> None:
    """The price must pass the channel by the buffer."""
    path = [*RANGE, 101.4, 101.4]
    assert signals(Drive(STRATEGY, **WINDOWS | {"buffer_ratio": 0.005}).run(trades(prices(path)))) == []


def test_a_reversal_turns_the_position_round() -> None:
    """From long to short without a step between, where the fall breaks both channels."""
    path = [*RANGE, 102.0, 95.0]
    said = signals(Drive(STRATEGY, **WINDOWS).run(trades(prices(path))))
    assert [kind for _, kind, _ in said] == ["ENTER_LONG", "ENTER_SHORT"]


def test_exit_channel_must_be_the_narrower() -> None:
    """Equal or wider windows are refused, and say which."""
    with pytest.raises(ValueError, match="exit_window is 10 and entry_window 10"):
        Params(entry_window=10, exit_window=10)
