"""`pump_v2`: what it takes for a pump, what not, and when it leaves."""

from __future__ import annotations

import pytest

from engine.strategies.pump_v2 import STRATEGY
from tests.engine.strategies.driving import Drive, Trade, signals, trades

BURST = 1200.0  # seconds after the first trade


def quiet(seconds: float = BURST, start: float = 0.0) -> list[Trade]:
    """One trade of 1 every 5 s, the price between 100.0 and 100.1."""
    return [(start + 5.0 * at, 100.0 + 0.1 * (at % 2), 1.0) for at in range(int(seconds / 5.0))]


def burst(start: float = BURST, rise: float = 6.0, trades_count: int = 40, gap: float = 0.1) -> list[Trade]:
    """Many trades in a few seconds, each of 20, the price rising evenly."""
    return [(start + gap * at, 100.0 + rise * (at + 1) / trades_count, 20.0) for at in range(trades_count)]


def test_golden_pump() -> None:
    """A pump gives one entry on the row that completes the picture, and an exit once the velocity has turned."""
    after = [(BURST + 4.0 + 2.0 * at, 106.0 - 0.25 * at, 5.0) for at in range(30)]
    said = Drive(STRATEGY).run(trades(quiet() + burst() + after))
    assert signals(said) == GOLDEN


GOLDEN = [(265, "ENTER_LONG", 0.0302), (288, "EXIT", 0.0403)]


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        ("one order that sweeps the book", quiet() + burst(gap=0.0) + quiet(60.0, BURST + 5.0)),
        ("a few big orders", quiet() + burst(trades_count=8, gap=0.5)),
        ("an odd print", [*quiet(), (BURST, 150.0, 5000.0), *quiet(60.0, BURST + 0.1)]),
        ("a rise that takes its time", quiet() + burst(gap=30.0, trades_count=200)),
        ("a crowd that moves nothing", quiet() + burst(rise=1.0)),
        ("a fall", quiet() + burst(rise=-6.0)),
        ("nothing known before", burst(start=0.0)),
    ],
)
def test_no_pump(what: str, rows: list[Trade]) -> None:
    """What looks like a pump in one measure only gives no signal."""
    assert signals(Drive(STRATEGY).run(trades(rows))) == [], what


def test_a_busy_market_is_no_surge() -> None:
    """Where trades always come at the burst's rate, the same rise is no pump."""
    busy = [(0.1 * at, 100.0, 20.0) for at in range(int(BURST * 10))]
    assert signals(Drive(STRATEGY).run(trades(busy + burst()))) == []


@pytest.mark.parametrize(("gap_s", "entries"), [(1800.0, 1), (90000.0, 0)])
def test_after_a_gap_it_warms_up_again(gap_s: float, entries: int) -> None:
    """A burst far from the price of before an empty base is no pump: there is nothing to hold it against."""
    said = signals(Drive(STRATEGY).run(trades(quiet() + burst(start=BURST + gap_s))))
    assert [kind for _, kind, _ in said].count("ENTER_LONG") == entries


def test_one_event_is_one_signal() -> None:
    """A second wave within the cooldown is the same event; one after it is another."""
    lull = [(BURST + 10.0 + 5.0 * at, 100.0, 1.0) for at in range(300)]
    waves = quiet() + burst() + lull + burst(start=BURST + 1600.0)
    entries = [kind for _, kind, _ in signals(Drive(STRATEGY).run(trades(waves))) if kind == "ENTER_LONG"]
    assert entries == ["ENTER_LONG"]
    entries = [kind for _, kind, _ in signals(Drive(STRATEGY, cooldown_s=900).run(trades(waves)))]
    assert entries.count("ENTER_LONG") == 2


def test_no_second_signal_while_the_velocity_stays() -> None:
    """Without a cooldown it is the velocity that must first come down."""
    plateau = [(BURST + 4.0 + 0.1 * at, 106.0, 20.0) for at in range(2000)]
    said = Drive(STRATEGY, cooldown_s=0, exit_ratio=0.0).run(trades(quiet() + burst() + plateau))
    assert [kind for _, kind, _ in signals(said)] == ["ENTER_LONG", "EXIT"]


def test_time_stop() -> None:
    """A position is left after `hold_max_s`, however well it goes."""
    rise = [(BURST + 4.0 + at, 106.0 + at, 1.0) for at in range(60)]
    rows = trades(quiet() + burst() + rise)
    (entry, _, _), (exit_, kind, _) = signals(Drive(STRATEGY, hold_max_s=20).run(rows))
    held_s = (rows["ts_event_ns"][exit_] - rows["ts_event_ns"][entry + 1]) / 1e9
    assert kind == "EXIT"
    assert 20.0 <= held_s < 21.1


def test_an_exit_that_brings_nothing_is_asked_for_again_only_after_a_time() -> None:
    """Where the position stays after an exit (a dust remainder), rows are not filled with exits."""
    drive = Drive(STRATEGY, hold_max_s=20)
    drive.run(trades(quiet() + burst()))
    exits = 0
    for at in range(60):
        drive.lane["position"] = 1.0
        exits += len(drive.run(trades([(BURST + 5.0 + at, 100.0, 1.0)])))
    assert exits == 3


def test_bars_with_parameters_for_bars() -> None:
    """On one-minute closes, a bar with a multiple of the usual volume and a jump is a pump on that bar."""
    params = {"fast_window_s": 0, "slow_window_s": 1800, "surge_window_s": 60, "base_window_s": 21600}
    bars = [(60.0 * at, 100.0 + 0.1 * (at % 2), 10.0) for at in range(300)] + [(18000.0, 108.0, 400.0)]
    said = Drive(STRATEGY, arrivals_min=1, surge_min=10.0, **params).run(trades(bars))
    assert [(row, kind) for row, kind, _ in signals(said)] == [(300, "ENTER_LONG")]
