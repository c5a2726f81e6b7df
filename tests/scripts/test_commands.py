"""What other programs say when they fail becomes one line that says what to do."""

from __future__ import annotations

import sys

import pytest

from scripts.commands import diagnose, failure_text, run
from scripts.console import Trouble


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "not the pinned one"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate ...", "not trusted"),
        ("(certificate_unknown) PKIX path building failed: sun.security", "not trusted"),
        ("The virtual environment was not created because ensurepip is not available.", "python3-venv"),
        ("Failed to establish a new connection: [Errno -3] Temporary failure in name resolution", "cannot be reached"),
        ("ERROR: No matching distribution found for numba==0.68.1", "no build for this Python"),
        ("PermissionError: [Errno 13] Permission denied: 'x'", "cannot be written"),
    ],
)
def test_known_failures_are_explained(said: str, expected: str) -> None:
    """Each failure that a fresh machine meets has its advice."""
    assert expected in (diagnose(said) or "")


def test_an_unknown_failure_shows_what_the_program_said() -> None:
    """Without a diagnosis, exit code and last lines are shown, and not the first ones of many."""
    text = failure_text("packages", 3, "\n".join(f"line {number}" for number in range(100)))
    assert "exit code 3" in text
    assert "line 99" in text
    assert "line 50" not in text


def test_a_program_that_fails_is_trouble() -> None:
    """An exit code other than 0 is raised with what was being done."""
    with pytest.raises(Trouble, match=r"probe: ended with exit code 3(.|\n)*sorry"):
        run([sys.executable, "-c", "print('sorry'); raise SystemExit(3)"], "probe")


def test_a_program_that_is_not_there_is_trouble() -> None:
    """A missing program is named."""
    with pytest.raises(Trouble, match="probe: cannot start no-such-program-here: No such file"):
        run(["no-such-program-here"], "probe")


def test_lines_are_heard_as_they_come() -> None:
    """A listener gets each line, and the whole output is returned."""
    heard: list[str] = []
    said = run([sys.executable, "-c", "print('one'); print('two')"], "probe", on_line=heard.append)
    assert heard == ["one", "two"]
    assert said == "one\ntwo\n"
