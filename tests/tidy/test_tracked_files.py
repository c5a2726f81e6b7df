"""What is committed works on any machine: no path of one machine, no address of a package registry."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT

HOMES = re.compile(r"(?<![\w./{$-])/(home|Users|root|work|mnt|media)/[A-Za-z0-9_.-]")
REGISTRIES = re.compile(
    r"(pypi|pythonhosted|maven(\.apache)?|maven-central|npmjs)\.(org|com|net)|--(extra-)?index-url\b"
)
HERE = "tests/tidy/test_tracked_files.py"
TEXT_BYTES_MAX = 2_000_000


@cache
def tracked() -> tuple[tuple[str, str], ...]:
    """(path, text) of every committed or added text file; skips where this is no git checkout."""
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        pytest.skip("this folder is no git checkout: there is no list of tracked files")
    paths = [path for path in answer.stdout.split("\0") if path and (ROOT / path).is_file()]
    return tuple((path, text) for path in paths if path != HERE and (text := _text(ROOT / path)) is not None)


def _text(path: Path) -> str | None:
    data = path.read_bytes()[:TEXT_BYTES_MAX]
    return None if b"\0" in data else data.decode("utf-8", errors="replace")


def lines_with(pattern: re.Pattern[str], suffixes: tuple[str, ...] = ("",)) -> list[str]:
    """`path:line text` of each line of a tracked file with such an ending that the pattern finds."""
    return [
        f"{path}:{number} {line.strip()[:120]}"
        for path, text in tracked()
        if path.endswith(suffixes)
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_path_of_one_machine() -> None:
    """No tracked file names this checkout, this user's home or anyone's home folder."""
    local = re.compile("|".join(re.escape(f"{path}/") for path in {str(ROOT), str(Path.home())} if path != "/"))
    assert lines_with(local) + lines_with(HOMES) == []


def test_no_registry_address() -> None:
    """No tracked file names a package registry: pip and Maven know theirs from the machine."""
    assert lines_with(REGISTRIES) == []


def test_lock_files_hold_no_address() -> None:
    """A lock file has names, versions and hashes, and no address at all."""
    assert lines_with(re.compile(r"\w+://"), (".lock",)) == []


def test_the_pattern_knows_a_home_folder() -> None:
    """A home folder is found; a path inside a container or an address is not."""
    found = [text for text in ("cd /home/ann/x", "'/Users/ann'", "/opt/tapedeck", "host/home/x") if HOMES.search(text)]
    assert found == ["cd /home/ann/x", "'/Users/ann'"]
