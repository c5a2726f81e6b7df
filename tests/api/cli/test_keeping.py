"""Verbs that look after an installation: doctor, rebuild, warm-up, record, bench."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.cli.page import exit_codes
from tests.api.cli.verbs import Desk


def test_doctor_answers_every_question(desk: Desk) -> None:
    """A line a question with its state; what is not well says what to do. JSON has the same."""
    found = desk.verb("doctor", "--json")
    checks = {one["name"]: one for one in found.json()}
    assert {"python", "nats-server", "data folder", "secrets", "port", "tape", "sync", "seal"} <= set(checks)
    assert found.code == (9 if any(one["state"] == "fail" for one in checks.values()) else 0)
    assert all(one["todo"] for one in checks.values() if one["state"] != "ok")
    assert checks["tape"]["state"] == "ok"
    assert checks["sync"]["state"] == "warn"  # a server of the settings: its configuration cannot be seen
    assert f"{desk.data}" in desk.verb("doctor").out


def test_doctor_before_there_is_a_tape(desk: Desk, tmp_path: Path) -> None:
    """An empty folder is not broken: doctor says what to run first."""
    told = Desk(tmp_path / "new", desk.env).verb("doctor", "--json")
    tape = next(one for one in told.json() if one["name"] == "tape")
    assert (tape["state"], tape["todo"]) == ("warn", "Run `tapedeck init`.")


def test_rebuilding_twice_gives_one_hash(desk: Desk) -> None:
    """The read models are a function of the tape."""
    first, second = (desk.good("rebuild", "--json").json() for _ in range(2))
    assert first == second
    assert first["sequence"] == desk.lasts()[0]
    assert first["market_store"] == "duckdb"
    assert first["read_model_hash"] in desk.good("rebuild").out


def test_a_simulated_market_is_recorded_and_replayed(desk: Desk) -> None:
    """The same seed records the same rows; the recording can be tested at once."""
    verb = ("record", "--simulated", "--symbol", "ETH_USDT", "--acceleration", "0", "--rows", "2000", "--json")
    made = desk.good(*verb, "--seed", "5").json()
    assert made["rows"] >= 2_000
    assert made["recording"] in [
        one["recording"] for one in desk.good("recordings", "--symbol", "ETH_USDT", "--json").json()
    ]
    tested = desk.good("backtest", made["recording"], "-s", "breakout", "--no-report", "--json").json()
    assert tested["inputs"] == made["rows"]


def test_files_are_played_into_a_recording(desk: Desk, tmp_path: Path) -> None:
    """--file plays a file as a source would; it ends with the file."""
    from tests.api.cli.verbs import coinbase_file

    file = coinbase_file(tmp_path / "played.csv", 50)
    made = desk.good("record", "--file", str(file), "--id", "played", "--acceleration", "0", "--json").json()
    assert made["rows"] == 50


def test_benchmarks_are_listed_with_their_question(desk: Desk) -> None:
    """`tapedeck bench` says what can be measured."""
    assert "decision_loop" in desk.good("bench").out


def test_formats_are_listed(desk: Desk) -> None:
    """`tapedeck import --formats` names every format with its options."""
    out = desk.good("import", "--formats").out
    assert "coinbase_trades" in out
    assert "lean_bars" in out


def test_a_session_needs_somebody_who_runs_it(desk: Desk, tmp_path: Path) -> None:
    """Where no house runs, `session start` says so and what needs none."""
    other = Desk(tmp_path / "alone", {"TAPEDECK_MARKET_STORE": "duckdb"})
    other.good("init")
    done = other.verb("session", "start", "paper", "-s", "ema_cross", "--source", "simulated")
    assert (done.code, done.out) == (6, "")
    assert "tapedeck up" in done.err


def test_why_intents_were_denied_is_said(desk: Desk) -> None:
    """A backtest that could not buy anything names the reason."""
    done = desk.good("backtest", desk.recording, "-s", "ema_cross", "-l", "order_notional=0.01", "--no-report")
    assert "denied: below_minimum" in done.err


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130, 141, 143])
def test_exit_codes_are_these(code: int) -> None:
    """No exit code is without its meaning."""
    assert exit_codes()[code]
