"""Scores: what a signal of one strategy weighs beside one of another."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import numpy as np
import pytest

from engine.loop.module import code_hash_of
from engine.strategies.registry import discover
from events.errors import InvalidInput
from events.rows import Rows, SignalKind
from projections.read_models.signals import row_of, score_of
from tests.engine.strategies.driving import Drive, trades

SAID_KINDS = (SignalKind.ENTER_LONG, SignalKind.ENTER_SHORT, SignalKind.QUOTE)
SIDES = {SignalKind.ENTER_LONG: 1, SignalKind.ENTER_SHORT: -1}
MINUTE_DEVIATION = 0.0007  # of one minute of BTC


@pytest.fixture(scope="module")
def minutes() -> Rows:
    """A week and a half of minutes, a seeded random walk."""
    steps = np.random.default_rng(7).normal(0.0, MINUTE_DEVIATION, 15_000)
    return trades([(60.0 * at, price, 1.0) for at, price in enumerate(50_000.0 * np.exp(np.cumsum(steps)))])


@pytest.mark.parametrize("kind", ["ema_cross", "breakout", "mean_reversion", "grid"])
def test_entries_of_every_strategy_score_about_a_half(minutes: Rows, kind: str) -> None:
    """A slider from 0 to 1 finds signals of each strategy: the middle one of its entries is no edge of it."""
    registry = discover()
    said = Drive(registry[kind], compiled=False).run(minutes)
    scores = []
    for one in said["intent"]:
        if one["kind"] in SAID_KINDS:
            given = {"lane": 0, "input": 0, "ts_event_ns": 0, "price": 1.0, "strength": one["strength"], "code": 0}
            side = SIDES.get(one["kind"], int(one["side"]))
            row = row_of({**given, "kind": one["kind"], "side": side}, "s", kind, "X", (0, 1, 0))  # type: ignore[arg-type]
            scores.append(score_of(row, registry.typical_strengths))
    assert len(scores) > 20
    assert 0.2 < median(map(abs, scores)) < 0.8
    assert min(scores) < 0.0 < max(scores)


def test_a_typical_strength_is_no_part_of_the_code() -> None:
    """Another typical strength decides nothing else: sessions go on under the same hash. It must be above 0."""
    one = discover()["ema_cross"]
    other = replace(one, typical_strength=0.5)
    assert code_hash_of([one]) == code_hash_of([other])
    for wrong in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(InvalidInput) as caught:
            replace(one, typical_strength=wrong)
        assert caught.value.field == "typical_strength"
