"""What a verb cannot do ends in one clear line and a documented exit code, and leaves the tape as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from api.cli.page import exit_codes
from tests.api.cli.verbs import Desk

HOSTILE = ("../../etc/passwd", "a.b", "*", ">", "tape.>", "a b", "", "\x1b[31m", "x" * 5_000, "$(id)", "ä\n", "-", ".")
# a verb that is given a name, with NAME in its place
NAMED = (
    ("recordings", "NAME"),
    ("session", "show", "NAME"),
    ("session", "stop", "NAME"),
    ("session", "go-on", "NAME"),
    ("verify", "NAME"),
    ("export", "fills", "NAME"),
    ("export", "ticks", "NAME"),
    ("backtest", "NAME", "-s", "ema_cross"),
    ("sweep", "NAME", "-s", "ema_cross", "-g", "fast=5"),
    ("backtest", "RECORDING", "-s", "NAME"),
    ("strategies", "NAME"),
    ("report", "NAME"),
    ("fork", "NAME"),
    ("tail", "--session", "NAME", "--no-follow"),
    ("record", "NAME"),
    ("bench", "NAME"),
)
BACKTEST = ("backtest", "RECORDING", "-s", "ema_cross")
START = ("session", "start", "backtest", "-s", "ema_cross", "--recording", "RECORDING")
# exit code, a word of the message, the verb; FILES is a folder of odd files
REFUSED: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (2, "No such command", ("nonsense",)),
    (2, "No such file", ("--config", "FILES/missing.yaml", "recordings")),
    (2, "no YAML", ("--config", "FILES/broken.yaml", "recordings")),
    (2, "bogus is not known here", ("--config", "FILES/unknown.yaml", "recordings")),
    (2, "api.port", ("--config", "FILES/negative.yaml", "recordings")),
    (2, "Name at least one file", ("import",)),
    (2, "No such file", ("import", "FILES/missing.csv")),
    (2, "Is a directory", ("import", "FILES")),
    (2, "is empty", ("import", "FILES/empty.csv")),
    (2, "neither UTF-8 text", ("import", "FILES/zeros.csv")),
    (2, "rows 2", ("import", "FILES/nan.csv")),
    (2, "holds no row", ("import", "--bad-rows", "skip", "FILES/nan.csv")),
    (2, "no format 'bogus'", ("import", "--format", "bogus", "FILES/nan.csv")),
    (2, "no time zone 'Mars/One'", ("import", "--zone", "Mars/One", "FILES/nan.csv")),
    (2, "is due", ("import", "--interval", "-1x", "FILES/nan.csv")),
    (2, "--simulated", ("record",)),
    (2, "No such file", ("record", "--file", "FILES/missing.csv")),
    (2, "instruments[0].symbol", ("record", "--simulated", "--symbol", "a b", "--rows", "9")),
    (2, "--id", ("record", "--simulated", "--id", "a.b", "--rows", "9")),
    (2, "--acceleration is nan", ("record", "--simulated", "--acceleration", "nan")),
    (2, "--seconds is nan", ("record", "--simulated", "--acceleration", "0", "--seconds", "nan")),
    (2, "--seconds is inf", ("record", "--simulated", "--acceleration", "0", "--seconds", "inf")),
    (2, "range", ("record", "--simulated", "--rows", "0")),
    (2, "range", ("recordings", "-n", "9" * 40)),
    (2, "no moment", ("export", "fills", "SESSION", "--since", "x")),
    (2, "ends before it begins", ("export", "fills", "SESSION", "--since", "2025-01-02", "--until", "2025-01-01")),
    (2, "has no nope", ("export", "fills", "SESSION", "--symbol", "nope")),
    (2, "There is no folder", ("export", "fills", "SESSION", "-o", "FILES/no/x.csv")),
    (2, "Name the --format", ("export", "fills", "SESSION", "-o", "FILES/x.bin")),
    (3, "no session", ("export", "fills", "nope", "-o", "FILES/never.csv")),
    (2, "at least one strategy", ("backtest", "RECORDING")),
    (2, "bogus is not known here; known: fast, slow", (*BACKTEST, "-p", "bogus=1")),
    (2, "not a finite number", (*BACKTEST, "-p", "fast=nan")),
    (2, "fast must be from 2 to 5000", (*BACKTEST, "-p", "fast=-3")),
    (2, "fast must be a whole number", (*BACKTEST, "-p", "fast=1.5")),
    (2, "fast must be below slow", (*BACKTEST, "-p", "fast=30", "-p", "slow=20")),
    (2, "not a finite number", (*BACKTEST, "-l", "cash=inf")),
    (2, "from 0 to 1e+15", (*BACKTEST, "-l", "cash=1e300")),
    (2, "no limit 'x'", (*BACKTEST, "-l", "x=1")),
    (2, "has no nope", (*BACKTEST, "--symbol", "nope")),
    (2, "share of the global cap", (*BACKTEST, "--allocation", "ema_cross=2")),
    (2, "range", (*BACKTEST, "--seed", "-1")),
    (2, "128 characters", (*BACKTEST, "--name", "x" * 10_000)),
    (2, "unprintable", (*BACKTEST, "--name", "\x1b[31m")),
    (2, "There is no folder", (*BACKTEST, "-o", "FILES/no/report.html")),
    (2, "is a folder", (*BACKTEST, "-o", "FILES")),
    (2, "--strategy", ("sweep", "RECORDING")),
    (2, "--grid", ("sweep", "RECORDING", "-s", "ema_cross")),
    (2, "no number", ("sweep", "RECORDING", "-s", "ema_cross", "-g", "fast=1:2")),
    (2, "Grid row 1", ("sweep", "RECORDING", "-s", "ema_cross", "-g", "fast=5,-5")),
    (6, "venue", ("session", "start", "live", "-s", "ema_cross", "--recording", "RECORDING")),
    (2, "no source 'nope'", ("session", "start", "paper", "-s", "ema_cross", "--source", "nope")),
    (2, "acceleration is a number", (*START, "--acceleration", "nan")),
    (2, "visible ASCII", (*START, "--key", "x" * 5_000)),
    (2, "visible ASCII", (*START, "--key", "")),
    (2, "SESSION", ("verify",)),
    (3, "no session 'nope'", ("verify", "SESSION", "nope")),
    (2, "bogus is not known here", ("fork", "SESSION", "-p", "bogus=1")),
    (2, "not a finite number", ("fork", "SESSION", "-l", "cash=nan")),
    (2, "128 characters", ("fork", "SESSION", "--name", "x" * 200)),
    (2, "There is no folder", ("report", "SESSION", "-o", "FILES/no/r.html")),
    (2, "no kind 'nope'", ("tail", "--kind", "nope")),
    (3, "no instrument 'nope'", ("tail", "--symbol", "nope")),
    (2, "range", ("tail", "--from", "0")),
    (2, "--password-stdin", ("user", "add", "bob")),
    (2, "10 to 256", ("user", "add", "bob", "--password-stdin")),
    (2, "A-Z a-z 0-9", ("user", "remove", "a.b")),
    (3, "no user nope", ("user", "role", "nope", "admin")),
    (4, "only admin", ("user", "remove", "admin")),
    (4, "only admin", ("user", "role", "admin", "viewer")),
    (5, "Name or password", ("token", "--user", "nope", "--password-stdin")),
    (2, "range", ("token", "--minutes", "0")),
    (2, "--yes", ("doctor", "--reseal")),
    (2, "range", ("demo", "--seed", "-1")),
    *((2, "unexpected extra argument", (name, "x")) for name in ("init", "up", "demo", "rebuild", "warm-up", "doctor")),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files that cannot be read as what they are named."""
    folder = tmp_path_factory.mktemp("odd")
    header, day = "symbol,side,price,amount,timestamp", "2023-09-05T16:00:00Z"
    (folder / "empty.csv").touch()
    (folder / "zeros.csv").write_bytes(bytes(range(256)) * 20)
    (folder / "nan.csv").write_text(f"{header}\nBTC-USD,buy,nan,1,{day}\nBTC-USD,buy,1e308,1e308,{day}\n")
    (folder / "broken.yaml").write_text("api: [1,2")
    (folder / "unknown.yaml").write_text("bogus: 1\n")
    (folder / "negative.yaml").write_text("api:\n  port: -5\n")
    return folder


@pytest.mark.parametrize(("code", "word", "verb"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_cannot_be_is_said_in_a_line(desk: Desk, files: Path, code: int, word: str, verb: tuple[str, ...]) -> None:
    """The message says what is wrong, standard output stays empty, nothing is appended and no file is made."""
    before, names = desk.lasts(), sorted(files.rglob("*"))
    given = [one.replace("FILES", str(files)).replace("RECORDING", desk.recording) for one in verb]
    given = [desk.backtest if one == "SESSION" else one for one in given]
    done = desk.verb(*given, stdin="short\n" if "--password-stdin" in verb else None)
    assert done.code == code, done.err
    assert word in done.err
    assert done.err.startswith("tapedeck: ")
    assert done.err.count("\n") == 1
    assert done.out == ""
    assert code in exit_codes()
    assert desk.lasts() == before
    assert sorted(files.rglob("*")) == names


@pytest.mark.parametrize("verb", NAMED, ids=" ".join)
def test_hostile_names_are_only_names(desk: Desk, verb: tuple[str, ...]) -> None:
    """Paths, wildcards, control characters, nothing, too much: unknown or refused, in one line that is fit to show."""
    before = desk.lasts()
    for name in HOSTILE:
        arguments = [name if one == "NAME" else one.replace("RECORDING", desk.recording) for one in verb]
        done = desk.verb("--", *arguments) if verb[0] == "NAME" else desk.verb(*arguments)
        assert done.code in (2, 3), (name, done)
        assert done.err.startswith("tapedeck: ")
        assert len(done.err) < 1_000
        assert done.err[:-1].isprintable()
    assert desk.lasts() == before


def test_a_user_needs_a_name_of_plain_characters(desk: Desk) -> None:
    """A name with a path or a wildcard in it is no user's."""
    before = desk.lasts()
    for name in HOSTILE:
        if name != "-":
            done = desk.verb("user", "add", name, "--password-stdin", stdin="long enough a password\n")
            assert (done.code, desk.lasts()) == (2, before), name


def test_a_folder_without_a_tape_says_what_to_do(desk: Desk, tmp_path: Path) -> None:
    """Every verb that reads the tape names `tapedeck init` where there is none."""
    other = Desk(tmp_path / "new", desk.env)
    for verb in (("recordings",), ("session", "list"), ("tail",), ("token",), ("user", "list"), ("rebuild",), ("up",)):
        done = other.verb(*verb)
        assert (done.code, done.out) == (6, ""), verb
        assert "tapedeck init" in done.err


def test_a_data_folder_that_cannot_be_is_named(desk: Desk, tmp_path: Path) -> None:
    """A file in the place of the data folder is one line."""
    (tmp_path / "file").touch()
    done = Desk(tmp_path / "file", desk.env).verb("init")
    assert done.code == 7
    assert f"{tmp_path / 'file'}" in done.err


def test_an_export_replaces_files_only(desk: Desk, tmp_path: Path) -> None:
    """--force replaces a file, through a link the file behind it; a pipe, a device or a folder is left as it is."""
    file, link, pipe = tmp_path / "file.csv", tmp_path / "link.csv", tmp_path / "pipe.csv"
    file.touch()
    link.symlink_to(file)
    os.mkfifo(pipe)
    done = desk.verb("export", "ticks", desk.recording, "-o", str(pipe), "--force")
    assert (done.code, pipe.is_fifo()) == (2, True)
    desk.good("export", "ticks", desk.recording, "-o", str(link), "--force")
    assert link.is_symlink()
    assert len(file.read_text().splitlines()) == 601
