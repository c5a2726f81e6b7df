"""When the demo fails: everything must be verified, equal and traded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from api.cli import demo_table
from tests.api.cli.verbs import Desk

START_NS, NS = 1_700_000_000_000_000_000, 1_000_000_000


def told(**changes: Any) -> Any:
    """What a demo with one pump came to, where all is well but for `changes`."""
    verdict = SimpleNamespace(equal=changes.get("equal", True), decision_hash="one")
    other = SimpleNamespace(equal=True, decision_hash=changes.get("hash", "one"))
    pump = SimpleNamespace(symbol="PUMPUSDT", start_s=60, rise_s=30, dump_s=30)
    return SimpleNamespace(
        verdicts=(verdict, other),
        live=SimpleNamespace(content_hash=changes.get("content", "rows")),
        imported=SimpleNamespace(recording=SimpleNamespace(whole=lambda: SimpleNamespace(content_hash="rows"))),
        market=SimpleNamespace(start_ns=START_NS, pumps=(pump,)),
    )


def outcome(second: int) -> Any:
    """A backtest with one trade, entered at a second."""
    trades = np.array([(START_NS + second * NS, 0)], [("entry_ns", "<i8"), ("lane", "<i4")])
    return SimpleNamespace(spec=None, trades=trades)


@pytest.fixture(autouse=True)
def _one_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    lane = SimpleNamespace(
        number=0,
        strategy=SimpleNamespace(strategy="pump_v2"),
        instrument=SimpleNamespace(symbol="PUMPUSDT"),
    )
    monkeypatch.setattr(demo_table, "lanes_of", lambda spec: [lane])


@pytest.mark.parametrize(
    ("changes", "second", "well"),
    [
        ({}, 70, True),
        ({"equal": False}, 70, False),
        ({"equal": None}, 70, False),
        ({"hash": "other"}, 70, False),
        ({"content": "others"}, 70, False),
        ({}, 59, False),
        ({}, 121, False),
    ],
)
def test_what_a_demo_must_come_to(changes: dict[str, Any], second: int, well: bool) -> None:
    """Both sessions verified under one hash, the live rows those of the recording, each pump traded: else it failed."""
    assert demo_table.well(told(**changes), outcome(second)) is well


def test_a_demo_that_is_not_well_ends_with_9(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script sees by the exit code that something was not as it must be."""

    async def not_well(*_: Any) -> bool:
        return False

    monkeypatch.setattr("api.cli.demo._demo", not_well)
    assert desk.verb("demo", "--exit").code == 9
