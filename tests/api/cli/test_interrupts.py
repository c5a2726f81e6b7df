"""Ctrl-C during a verb: one word, exit code 130, no traceback, nothing left running, and the next verb works."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from tests.api.cli.children import Child, left_behind
from tests.api.cli.verbs import coinbase_file

ROWS = 60_000


class Folder(NamedTuple):
    """A data folder whose server each verb starts for itself."""

    data: Path
    file: Path
    recording: str
    session: str


def done(data: Path, *arguments: str) -> str:
    """Standard output of a verb that ends well by itself."""
    child = Child(data, *arguments)
    try:
        ended = child.ended()
    finally:
        child.close()
    assert ended.code == 0, ended.err
    return ended.out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A tape with one recording and one backtest of it, and a file that is not imported yet."""
    files, data = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("interrupted")
    done(data, "init")
    recording = done(data, "import", str(coinbase_file(files / "trades.csv", ROWS))).split()[0]
    made = msgspec.json.decode(done(data, "backtest", recording, "-s", "ema_cross", "--no-report", "--json"))
    return Folder(data, coinbase_file(files / "more.csv", ROWS + 1), recording, made["session"])


# a verb, and how long after its server runs; wherever it is then, the outcome is the same
VERBS = (
    (0.0, ("import", "FILE")),
    (0.3, ("import", "FILE")),
    (0.2, ("backtest", "RECORDING", "-s", "ema_cross", "--no-report")),
    (0.1, ("verify", "SESSION")),
    (0.3, ("fork", "SESSION", "-p", "fast=30")),
    (0.2, ("report", "SESSION", "-o", "OUT/report.html")),
    (0.2, ("export", "ticks", "RECORDING", "-o", "OUT/ticks.csv")),
    (0.3, ("rebuild",)),
    (0.0, ("recordings",)),
    (0.2, ("token",)),
)


@pytest.fixture
def started(folder: Folder, tmp_path: Path) -> Iterator[list[Child]]:
    """Children of a test, ended with it."""
    children: list[Child] = []
    yield children
    for child in children:
        child.close()


@pytest.mark.parametrize(("seconds", "verb"), VERBS, ids=lambda value: str(value)[:40])
def test_an_interrupted_verb_leaves_nothing(
    folder: Folder, tmp_path: Path, started: list[Child], seconds: float, verb: tuple[str, ...]
) -> None:
    """Whatever the verb was at: no traceback, no process, no half a file; or it was done already."""
    names = {"FILE": str(folder.file), "RECORDING": folder.recording, "SESSION": folder.session}
    arguments = [names.get(one, one).replace("OUT", str(tmp_path)) for one in verb]
    child = Child(folder.data, "-v", *arguments)
    started.append(child)
    child.wait_for("nats started")
    time.sleep(seconds)
    ended = child.interrupt()
    assert ended.code in (0, 130, -signal.SIGINT), ended
    assert "Traceback" not in ended.err
    assert "never awaited" not in ended.err
    done_already = ended.code == -signal.SIGINT and ended.out  # told its result, and its interpreter was ending
    if ended.code != 0 and not done_already:
        assert ended.err.endswith("tapedeck: interrupted.\n")
        assert list(tmp_path.iterdir()) == []
    assert left_behind(folder.data) == []


def test_an_interrupted_sweep_is_stopped_on_the_tape(folder: Folder, started: list[Child]) -> None:
    """Nothing goes on behind the user's back: the sweep's session is over when the verb is."""
    grid = ("-g", "fast=10:49:1", "-g", "slow=200:209:1")
    child = Child(folder.data, "sweep", folder.recording, "-s", "ema_cross", *grid)
    started.append(child)
    child.wait_for("400 parameter sets")
    time.sleep(0.3)
    ended = child.interrupt()
    assert (ended.code, ended.out) == (130, ""), ended.err
    assert "Traceback" not in ended.err
    assert left_behind(folder.data) == []
    listed = msgspec.json.decode(done(folder.data, "session", "list", "--all", "--json"))
    assert [one for one in listed if one["state"] in ("started", "running")] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_a_recording_is_ended_in_order(folder: Folder, started: list[Child], number: signal.Signals) -> None:
    """Ctrl-C is how a recording ends: it is complete, listed, and can be replayed."""
    child = Child(folder.data, "record", "--simulated", "--acceleration", "50", "--json")
    started.append(child)
    child.wait_for("recording adhoc-simulated: ")
    ended = child.interrupt(number)
    assert ended.code == 0, ended.err
    recording = msgspec.json.decode(ended.out)
    assert recording["rows"] > 0
    assert left_behind(folder.data) == []
    shown = msgspec.json.decode(done(folder.data, "recordings", recording["recording"], "--json"))
    assert (shown[0]["state"], shown[0]["rows"]) == ("complete", recording["rows"])


def test_a_tail_that_follows_ends_with_ctrl_c(folder: Folder, started: list[Child]) -> None:
    """What was printed stands; the exit code says that it was interrupted, or terminated."""
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        child = Child(folder.data, "tail", "--kind", "SessionEnded", "--from", "1")
        started.append(child)
        child.wait_for(folder.session)
        assert child.interrupt(number).code == code
    assert left_behind(folder.data) == []


def test_a_reader_that_goes_ends_the_verb(folder: Folder) -> None:
    """`tapedeck export ... | head -1` ends quietly, with the exit code of a broken pipe."""
    verb = f"{sys.executable} -m api.cli --data {folder.data} export ticks {folder.recording}"
    shell = subprocess.run(
        ["bash", "-c", f"{verb} | head -1; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    header, code = shell.stdout.splitlines()
    assert header.startswith("sequence,index,")
    assert (code, shell.stderr) == ("141", "")
    assert left_behind(folder.data) == []
