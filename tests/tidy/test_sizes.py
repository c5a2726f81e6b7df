"""Small by rule: a file fits one reading, a function one screen."""

from __future__ import annotations

import subprocess
import sys

from tests.tidy.sources import ROOT, functions, lines_of, sources

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def test_file_fits_one_reading() -> None:
    """No file is longer than 400 lines."""
    counts = {source.path: len(source.text.splitlines()) for source in sources()}
    assert {path: lines for path, lines in counts.items() if lines > FILE_LINES_MAX} == {}


def test_function_fits_one_screen() -> None:
    """No function is longer than 60 lines."""
    long = [
        f"{source.path}:{function.lineno} {function.name} has {lines_of(function)} lines"
        for source in sources()
        for function in functions(source.tree)
        if lines_of(function) > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_complexity_and_arguments_without_exceptions_in_comments() -> None:
    """No function is more complex than 10 or takes more than 6 arguments, and no `noqa` hides one."""
    command = [sys.executable, "-m", "ruff", "check", "--select", "C901,PLR0913", "--ignore-noqa"]
    answer = subprocess.run(
        [*command, "--output-format", "concise", "."], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
