"""`dump_v2`: the fall that many make, short where that is allowed and a way out where not."""

from __future__ import annotations

from engine.strategies.dump_v2 import STRATEGY
from engine.strategies.pump_v2 import STRATEGY as PUMP
from tests.engine.strategies.driving import Drive, signals, trades
from tests.engine.strategies.test_pump_v2 import BURST, burst, quiet

FALL = quiet() + burst(rise=-6.0)
GOLDEN = [(265, "ENTER_SHORT", -0.0312), (288, "EXIT", -0.0414)]


def test_golden_dump() -> None:
    """A dump gives one short entry, and an exit once the price comes back."""
    after = [(BURST + 4.0 + 2.0 * at, 94.0 + 0.25 * at, 5.0) for at in range(30)]
    assert signals(Drive(STRATEGY).run(trades(FALL + after))) == GOLDEN


def test_a_pump_is_no_dump_and_a_dump_no_pump() -> None:
    """Each looks one way only."""
    assert signals(Drive(STRATEGY).run(trades(quiet() + burst()))) == []
    assert signals(Drive(PUMP).run(trades(FALL))) == []


def test_one_order_through_the_book_is_no_dump() -> None:
    """A fall of one instant is somebody's big order."""
    assert signals(Drive(STRATEGY).run(trades(quiet() + burst(rise=-6.0, gap=0.0) + quiet(60.0, BURST + 5.0)))) == []


def test_time_stop() -> None:
    """A short is bought back after `hold_max_s`, however far it falls."""
    after = [(BURST + 4.0 + at, 94.0 - 0.5 * at, 1.0) for at in range(60)]
    rows = trades(FALL + after)
    (entry, _, _), (exit_, _, _) = signals(Drive(STRATEGY, hold_max_s=20).run(rows))
    assert 20.0 <= (rows["ts_event_ns"][exit_] - rows["ts_event_ns"][entry + 1]) / 1e9 < 21.1
