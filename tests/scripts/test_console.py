"""How the scripts speak, with and without a terminal."""

from __future__ import annotations

import io

import pytest

from scripts.console import Trouble, step


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def test_without_a_terminal_lines_are_only_added() -> None:
    """A log file gets whole lines, no control characters and no progress."""
    stream = io.StringIO()
    with step("packages", "installing", stream) as current:
        current.tick("3 of 5")
        current.result = "5 packages"
    first, last = stream.getvalue().splitlines()
    assert first == "  packages    installing"
    assert last.startswith("  packages    5 packages (")
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_shows_one_line_that_changes() -> None:
    """Progress rewrites the line; only the result ends it."""
    stream = Terminal()
    with step("packages", "installing", stream) as current:
        current.tick("3 of 5")
        current.result = "5 packages"
    assert stream.getvalue().count("\n") == 1
    assert "3 of 5" in stream.getvalue()


def test_a_failed_step_says_so() -> None:
    """A step that raises ends its line with the word failed, and the reason goes on."""
    stream = io.StringIO()

    def fail() -> None:
        with step("questdb", "fetching", stream):
            raise Trouble("no network")

    with pytest.raises(Trouble, match="no network"):
        fail()
    assert "failed after" in stream.getvalue().splitlines()[-1]
