"""`make setup` on a machine that is ready: nothing to do, in well under two seconds, and said in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scripts import setup
from tests.tidy.sources import ROOT


def test_an_old_python_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python 3.10 gets one line that names the version and the way to another."""
    monkeypatch.setattr(setup.sys, "version_info", (3, 10, 1))
    assert setup.main([]) == 1
    assert "Python 3.11 or later is needed" in capsys.readouterr().out


def test_what_went_wrong_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of the operating system is no traceback."""

    def full_disk(kind: str, *, with_project: bool) -> None:
        raise OSError(28, "No space left on device", ".venv")

    monkeypatch.setattr(setup, "set_up", full_disk)
    assert setup.main([]) == 1
    assert capsys.readouterr().err == "\nset-up stopped: .venv: No space left on device\n"


def test_a_user_who_stops_it_can_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends with 130 and a line."""

    def stopped(kind: str, *, with_project: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(setup, "set_up", stopped)
    assert setup.main([]) == 130
    assert "goes on from here" in capsys.readouterr().err


def test_the_scripts_need_nothing_installed() -> None:
    """The set-up loads without site packages: it runs before there are any."""
    code = (
        "import scripts.setup, scripts.environment, scripts.bytecode, scripts.questdb_jar, scripts.kernels, "
        "scripts.stages, scripts.lock"
    )
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, '.'); {code}"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
