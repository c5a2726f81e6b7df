"""`make` explains itself: every target has its line of help."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from tests.tidy.sources import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
PROMISED = {"help", "setup", "demo", "test", "check", "bench", "test-faults", "test-fuzz", "clean"}


def targets() -> set[str]:
    """Names of all targets of the Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))


def test_promised_targets_exist() -> None:
    """The commands that the README promises are there."""
    assert targets() >= PROMISED


def test_targets_are_commands_not_files() -> None:
    """A file named like a target cannot switch the target off."""
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets()


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not on the path")
def test_help_covers_every_target() -> None:
    """`make` alone lists each target with what it does."""
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^  make ([a-z-]+) +\S.*$", shown, re.MULTILINE)
    assert sorted(listed) == sorted(targets())
