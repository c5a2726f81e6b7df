"""`pump_v2` on recorded pumps, with its defaults for all files and with each threshold moved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.pump_detection import ALARMS_MAX, SECOND, Event, Verdict, events, judge, naive, pump_v2
from events.rows import MARKET_DTYPE, MarketKind

FILES = 5


@pytest.fixture(scope="module")
def pumps(shared_data: Path) -> list[Event]:
    """The recorded pumps."""
    found = events(shared_data / "pump_events_ticks")
    assert len(found) == FILES
    return found


def verdicts(pumps: list[Event], **params: float) -> list[Verdict]:
    """What the detector makes of each."""
    return [judge(event, pump_v2(event.rows, **params)) for event in pumps]


def test_every_pump_is_found_within_ten_seconds_once_and_with_few_alarms(pumps: list[Event]) -> None:
    """One signal an event, in time in all files, and at most 15 alarms in 95 days, fewer than the naive detector's."""
    found = verdicts(pumps)
    assert all(verdict.in_time for verdict in found), found
    assert [verdict.signals for verdict in found] == [1] * FILES
    alarms = sum(verdict.alarms for verdict in found)
    assert alarms <= ALARMS_MAX
    assert alarms < sum(judge(event, naive(event.rows)).alarms for event in pumps)


@pytest.mark.parametrize(
    "moved",
    [
        {"velocity_min_ratio": 0.02},
        {"velocity_min_ratio": 0.055},
        {"surge_min": 3.0},
        {"surge_min": 200.0},
        {"arrivals_min": 14},
        {"arrivals_min": 35},
        {"velocity_min_ratio": 0.0375, "surge_min": 50.0, "arrivals_min": 24},
        {"fast_window_s": 0},
        {"fast_window_s": 2},
        {"slow_window_s": 300},
        {"slow_window_s": 1200},
        {"surge_window_s": 10},
        {"base_window_s": 7200},
    ],
    ids=str,
)
def test_the_defaults_stand_in_the_middle_of_what_works(pumps: list[Event], moved: dict[str, float]) -> None:
    """Thresholds moved far, alone or together, and windows halved or doubled keep the figures."""
    found = verdicts(pumps, **moved)
    assert all(verdict.in_time for verdict in found), found
    assert sum(verdict.alarms for verdict in found) <= ALARMS_MAX


def test_only_rows_up_to_the_signal_matter(pumps: list[Event]) -> None:
    """The signal of an event is the same where the recording ends with its row."""
    for event in pumps:
        entries = pump_v2(event.rows)
        last = int(entries[-1])
        assert pump_v2(event.rows[: last + 1].copy()).tolist() == entries.tolist()


def test_files_played_as_dumps_are_quiet(pumps: list[Event]) -> None:
    """A recording whose prices are turned upside down has no pump at the announced minute."""
    for event in pumps:
        rows = event.rows.copy()
        rows["price"] = np.float64(1e-9) / rows["price"]
        assert judge(event, pump_v2(rows)).first_s is None


def test_one_minute_bars_of_a_pump(shared_data: Path) -> None:
    """On the closes of a day of one-minute bars it signals once, on the bar of the announced minute."""
    bars = pl.read_csv(shared_data / "pump_events_ticks" / "SNG_historical_data_1m.csv.gz")
    rows = np.zeros(len(bars), MARKET_DTYPE)
    rows["ts_event_ns"] = 60 * SECOND * np.arange(len(bars)) + 1_523_318_400 * SECOND
    rows["price"], rows["quantity"], rows["kind"] = bars["close"], bars["volume"], int(MarketKind.TRADE)
    windows = {"fast_window_s": 0, "slow_window_s": 1800, "surge_window_s": 60, "base_window_s": 21600}
    entries = pump_v2(rows, arrivals_min=1, **windows)
    assert [bars["timestamp"][int(at)] for at in entries] == ["2018-04-10 19:00:00"]
