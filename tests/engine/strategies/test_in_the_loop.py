"""The built-in strategies together in the decision loop, over a recorded pump."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.pump_detection import SECOND, Event, events
from engine.loop.decision_loop import DecisionLoop, Decisions
from engine.loop.spec import LaneSpec, LoopSpec
from engine.strategies.registry import discover
from events.facts import InstrumentTerms, SessionLimits
from events.rows import Code, SignalKind

REGISTRY = discover()
NAMES = tuple(REGISTRY)
ORDER_BTC = 0.1


@pytest.fixture(scope="module")
def pump(shared_data: Path) -> Event:
    """The shortest of the recorded pumps."""
    return min(events(shared_data / "pump_events_ticks"), key=lambda event: len(event.rows))


@pytest.fixture(scope="module")
def played(pump: Event) -> tuple[DecisionLoop, Decisions]:
    """The loop after the file, each strategy on a lane of its own."""
    terms = InstrumentTerms(
        number=0,
        symbol=pump.coin,
        quote="BTC",
        price_step=1e-8,
        quantity_step=1.0,
        notional_min=0.001,
        maker_fee_ratio=0.001,
        taker_fee_ratio=0.001,
    )
    lanes = tuple(LaneSpec(strategy=name, instrument=0, params=REGISTRY[name].resolve({})) for name in NAMES)
    limits = SessionLimits(cash=100.0, global_cap=100.0, order_notional=ORDER_BTC)
    loop = DecisionLoop(LoopSpec(instruments=(terms,), lanes=lanes, limits=limits), REGISTRY)
    return loop, loop.advance(pump.rows)


def lane_of(name: str) -> int:
    """Number of a strategy's lane."""
    return NAMES.index(name)


def test_no_strategy_fails_or_is_denied(played: tuple[DecisionLoop, Decisions]) -> None:
    """Every kernel runs to the end of the file, and everything it asks for is an order."""
    loop, decisions = played
    assert loop.failed == 0
    assert len(decisions.denials) == 0
    assert np.isfinite(decisions.signals["strength"]).all()


def test_pump_v2_trades_the_pump_and_is_out_soon(pump: Event, played: tuple[DecisionLoop, Decisions]) -> None:
    """It buys within 10 s of the announcement and has sold all of it about a minute later."""
    _, decisions = played
    fills = decisions.fills[decisions.fills["lane"] == lane_of("pump_v2")]
    after_s = (fills["ts_event_ns"] - pump.announced_ns) / SECOND
    within = fills[(after_s >= 0.0) & (after_s <= 120.0)]
    assert within["code"][0] == Code.ENTRY
    assert after_s[(after_s >= 0.0)][0] <= 10.0
    assert within["code"][-1] == Code.SIGNAL_EXIT
    assert within["position"][-1] == 0.0


def test_the_grid_holds_no_more_than_it_may(played: tuple[DecisionLoop, Decisions]) -> None:
    """At most ten level quantities either way, and ten orders at rest."""
    loop, decisions = played
    fills = decisions.fills[decisions.fills["lane"] == lane_of("grid")]
    unit = np.abs(fills["quantity"]).max()
    assert len(fills) > 1000
    assert np.abs(fills["position"]).max() <= 10 * unit
    assert np.count_nonzero(loop.working["lane"] == lane_of("grid")) <= 10


@pytest.mark.parametrize("name", ["breakout", "ema_cross", "mean_reversion"])
def test_the_classics_go_both_ways(name: str, played: tuple[DecisionLoop, Decisions]) -> None:
    """Each enters long and short in the course of 19 days."""
    _, decisions = played
    kinds = decisions.signals["kind"][decisions.signals["lane"] == lane_of(name)]
    assert {SignalKind.ENTER_LONG, SignalKind.ENTER_SHORT} <= {SignalKind(int(kind)) for kind in kinds}
