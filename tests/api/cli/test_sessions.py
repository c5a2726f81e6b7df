"""The main job by verbs: import, backtest, sweep, verify, fork, report, list, show, export."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pytest

from tests.api.cli.verbs import Desk, coinbase_file


def test_importing_again_appends_nothing(desk: Desk, tmp_path: Path) -> None:
    """The same file in another folder is the same recording."""
    before = desk.lasts()
    done = desk.good("import", str(coinbase_file(tmp_path / "again.csv")), "--json").json()[0]
    assert (done["recording"], done["rows"], done["appended"]) == (desk.recording, 600, 0)
    assert desk.lasts() == before


def test_a_dry_run_only_reads(desk: Desk, tmp_path: Path) -> None:
    """--dry-run says what a file holds and appends nothing."""
    before = desk.lasts()
    told = desk.good("import", "--dry-run", "--json", str(coinbase_file(tmp_path / "other.csv", 10))).json()
    assert (told[0]["rows"], told[0]["instruments"][0]["symbol"]) == (10, "BTC-USD")
    assert desk.lasts() == before


def test_files_are_merged_into_one_recording(desk: Desk, tmp_path: Path) -> None:
    """--merge gives one recording with the rows of all files in order of time."""
    files = [str(coinbase_file(tmp_path / name, rows)) for name, rows in (("one.csv", 30), ("two.csv", 50))]
    done = desk.good("import", "--merge", "--json", *files).json()
    assert [one["rows"] for one in done] == [80]
    rows = list(csv.DictReader(io.StringIO(desk.good("export", "ticks", done[0]["recording"]).out)))
    times = [row["ts_event"] for row in rows]
    assert len(rows) == 80
    assert times == sorted(times)


def test_recordings_are_listed_and_shown(desk: Desk) -> None:
    """The list has the recording; a unique beginning of its id shows it."""
    listed = desk.good("recordings", "--json").json()
    assert desk.recording in [one["recording"] for one in listed]
    shown = desk.good("recordings", desk.recording[:12], "--json").json()
    assert (shown[0]["rows"], shown[0]["state"], shown[0]["symbols"]) == (600, "complete", ["BTC-USD"])
    assert desk.recording in desk.good("recordings").out


def test_a_backtest_prints_its_figures_and_writes_its_report(desk: Desk, tmp_path: Path) -> None:
    """The table has the metrics, the report is one page with the session in it."""
    out = tmp_path / "report.html"
    done = desk.good("backtest", desk.recording, "-s", "ema_cross", "-p", "fast=5", "-p", "slow=20", "-o", str(out))
    assert "total trades" in done.out
    assert str(out) in done.out
    page = out.read_text()
    assert page.startswith("<!doctype html>")
    assert "<script src" not in page


def test_the_same_backtest_has_the_same_hash(desk: Desk) -> None:
    """A replay of a recording is a function of its parameters."""
    arguments = (
        "backtest",
        desk.recording,
        "-s",
        "ema_cross",
        "-p",
        "fast=5",
        "-p",
        "slow=20",
        "--no-report",
        "--json",
    )
    first, second = desk.good(*arguments).json(), desk.good(*arguments).json()
    assert first["decision_hash"] == second["decision_hash"]
    assert first["session"] != second["session"]
    assert first["metrics"]["trade"]["total_trades"] > 0
    assert first["counts"]["fill"] > 0


def test_a_row_of_a_sweep_is_the_backtest_of_its_parameters(desk: Desk) -> None:
    """A sweep's best rows come first, and each has the hash of the backtest with the same parameters."""
    swept = desk.good("sweep", desk.recording, "-s", "ema_cross", "-g", "fast=5,10", "-g", "slow=20:40:20", "--json")
    rows = swept.json()["rows"]
    assert len(rows) == 4
    assert [row["return_ratio"] for row in rows] == sorted((row["return_ratio"] for row in rows), reverse=True)
    mine = next(row for row in rows if row["params"] == {"fast": 5, "slow": 20})
    shown = desk.good("session", "show", desk.backtest, "--json").json()
    assert mine["decision_hash"] == shown["decision_hash"]
    table = desk.good("sweep", desk.recording, "-s", "ema_cross", "-g", "fast=5,10", "--top", "1").out
    assert len([line for line in table.splitlines() if "%" in line]) == 1


def test_a_sweep_and_a_fork_decide_on_the_timeframe_they_are_given(desk: Desk) -> None:
    """--timeframe makes bars: the row of the sweep is the fork with its parameters, and not what the trades gave."""
    grid = ("-g", "fast=2", "-g", "slow=3")
    rows, bars = (
        desk.good("sweep", desk.recording, "-s", "ema_cross", *grid, "--json", *more).json()["rows"][0]
        for more in ((), ("--timeframe", "1m"))
    )
    assert bars["signals"] > 0
    assert bars["decision_hash"] != rows["decision_hash"]
    forked = desk.good("fork", desk.backtest, "-p", "fast=2", "-p", "slow=3", "--timeframe", "1m", "--json").json()
    assert forked["fork"]["decision_hash"] == bars["decision_hash"]


def test_verify_says_that_rows_are_equal(desk: Desk) -> None:
    """A session decides the same again."""
    done = desk.good("verify", desk.backtest)
    assert done.out.startswith(f"verified {desk.backtest}: ")
    verdict = desk.good("verify", desk.backtest, "--json").json()[0]
    assert verdict["equal"] is True
    assert verdict["decision_hash"] == verdict["held_hash"]


def test_a_fork_without_changes_decides_the_same(desk: Desk) -> None:
    """Nothing changed: the same hash. A limit changed: another, beside the parent's figures."""
    same = desk.good("fork", desk.backtest, "--json").json()
    assert same["fork"]["decision_hash"] == same["parent"]["decision_hash"]
    other = desk.good("fork", desk.backtest, "-l", "stop_loss_ratio=0.001", "-p", "fast=7").out
    assert "the same hash" not in other
    assert "fork_" in other


def test_sessions_are_listed_without_research_unless_asked(desk: Desk) -> None:
    """Backtests are not among live and paper sessions; --all shows them."""
    assert desk.backtest not in [one["session"] for one in desk.good("session", "list", "--json").json()]
    found = desk.good("session", "list", "--all", "--json").json()
    mine = next(one for one in found if one["session"] == desk.backtest)
    assert (mine["state"], mine["strategies"], mine["inputs"]) == ("completed", ["ema_cross"], 600)
    assert desk.backtest in desk.good("session", "list", "--mode", "backtest", "-n", "100").out


def test_a_session_is_shown(desk: Desk) -> None:
    """One session with what it ran, its hash and its figures."""
    out = desk.good("session", "show", desk.backtest).out
    assert "ema_cross {'fast': 5, 'slow': 20}" in out
    assert "final equity" in out


@pytest.mark.parametrize("table", ["orders", "fills", "trades", "equity", "signals", "denials"])
def test_tables_of_a_session_are_the_same_as_csv_and_parquet(desk: Desk, tmp_path: Path, table: str) -> None:
    """Both formats hold as many rows and the same columns."""
    path = tmp_path / f"{table}.parquet"
    desk.good("export", table, desk.backtest, "-o", str(path))
    frame = pl.read_parquet(path)
    lines = desk.good("export", table, desk.backtest).out.splitlines()
    assert lines[0].split(",") == frame.columns
    assert len(lines) == len(frame) + 1
    counts = desk.good("session", "show", desk.backtest, "--json").json()["counts"]
    kinds = {"orders": "order", "fills": "fill", "equity": "mark", "signals": "signal", "denials": "denial"}
    if table in kinds:
        assert len(frame) == counts[kinds[table]]


def test_ticks_are_exported_as_they_were_imported(desk: Desk, tmp_path: Path) -> None:
    """Every price of the file comes out, with its place on the tape; a range gives its part."""
    path = tmp_path / "ticks.parquet"
    desk.good("export", "ticks", desk.recording, "-o", str(path))
    frame = pl.read_parquet(path)
    wanted = [float(line.split(",")[2]) for line in coinbase_file(tmp_path / "f.csv").read_text().splitlines()[1:]]
    assert frame["price"].to_list() == wanted
    assert frame["index"].to_list() == list(range(600))
    part = desk.good(
        *("export", "ticks", desk.recording, "--since", "2023-09-05T16:01:00", "--until", "2023-09-05T16:02:00")
    ).out
    assert len(part.splitlines()) == 61
    none = desk.good("export", "ticks", desk.recording, "--until", "2020-01-01").out
    assert none.splitlines() == part.splitlines()[:1]


def test_a_file_that_exists_is_kept_unless_forced(desk: Desk, tmp_path: Path) -> None:
    """export replaces nothing by itself."""
    path = tmp_path / "ticks.csv"
    path.write_text("mine")
    assert desk.verb("export", "ticks", desk.recording, "-o", str(path)).code == 4
    assert path.read_text() == "mine"
    desk.good("export", "ticks", desk.recording, "-o", str(path), "--force")
    assert len(path.read_text().splitlines()) == 601
    assert [one.name for one in tmp_path.iterdir()] == ["ticks.csv"]


def test_the_report_of_a_session_says_that_it_was_verified(desk: Desk, tmp_path: Path) -> None:
    """report --verify decides the session again and writes the line into the page."""
    path = tmp_path / "r.html"
    assert desk.good("report", desk.backtest, "--verify", "-o", str(path)).out.strip() == str(path)
    assert f"verified {desk.backtest}" in path.read_text()


def test_strategies_are_listed_with_their_parameters(desk: Desk) -> None:
    """The table has every strategy, one of them its parameters with bounds."""
    assert "pump_v2" in desk.good("strategies").out
    one = desk.good("strategies", "ema_cross", "--json").json()[0]
    assert [parameter["name"] for parameter in one["parameters"]] == ["fast", "slow"]


def test_the_tail_shows_what_is_on_the_tape(desk: Desk) -> None:
    """Filters by session, kind and symbol; a count ends it; JSON is a document a line."""
    lines = desk.good("tail", "--no-follow", "--from", "1", "--json", "--kind", "RecordingCompleted").out.splitlines()
    assert all('"type":"RecordingCompleted"' in line for line in lines)
    ended = desk.good(
        "tail", "--session", desk.backtest, "--kind", "SessionEnded", "--from", "1", "-n", "1", "--no-follow"
    ).out
    assert desk.backtest in ended
    rows = desk.good(
        "tail", "--symbol", "BTC-USD", "--kind", "fill", "--from", "1", "-n", "2", "--no-follow"
    ).out.splitlines()
    assert len(rows) == 2
    assert all("fill" in row for row in rows)
    beyond = desk.verb("tail", "--from", "1000000000")
    assert beyond.code != 0
    assert "The tape ends at sequence" in beyond.err
