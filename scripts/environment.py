"""The virtual environment: made once, filled from the lock file, with the project itself installed in place."""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path

from scripts.cache import is_stamped, key_of, require_space, write_stamp
from scripts.commands import run
from scripts.console import ROOT, Step, Trouble, step

VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "stamps"
LOCKS = {"run": ROOT / "requirements.lock", "dev": ROOT / "requirements-dev.lock"}
KINDS = {"run": ("run",), "dev": ("run", "dev")}
VENV_BYTES = {"run": 1_300_000_000, "dev": 2_000_000_000}
PIP = (VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input")


def ensure_environment() -> None:
    """Make `.venv`, or make it anew when it belongs to another Python or was left half made."""
    key = f"{platform.python_version()} {ROOT}"
    stamp = STAMPS / "environment"
    if is_stamped(stamp, key):
        return
    with step("environment", "making .venv") as current:
        require_space(ROOT, VENV_BYTES["run"])
        if stamp.exists() or (VENV.exists() and not _usable()):
            shutil.rmtree(VENV)  # of another Python, moved here from another folder, or left half made
        if not VENV.exists():
            run([sys.executable, "-m", "venv", VENV], "virtual environment")
        write_stamp(stamp, key)
        current.result = f".venv with Python {platform.python_version()}"


def _usable() -> bool:
    question = "import sys, pip; print('.'.join(map(str, sys.version_info[:3])))"
    try:
        return run([VENV_PYTHON, "-c", question], "probe").strip() == platform.python_version()
    except Trouble:
        return False


def ensure_packages(kind: str) -> None:
    """Install what the lock file of `kind` (run, dev) pins, every file checked against its hash. dev contains run."""
    kinds = KINDS[kind]
    keys = {each: key_of([LOCKS[each]], platform.python_version()) for each in kinds}
    if all(is_stamped(STAMPS / f"packages-{each}", keys[each]) for each in kinds):
        return
    lock = LOCKS[kind]
    count = lock.read_text().count("==")
    with step("packages", f"installing {count} packages; the first time about a minute") as current:
        if not (STAMPS / "packages-run").exists():
            require_space(ROOT, VENV_BYTES[kind])
        seen = _Progress(current, count)
        run([*PIP, "install", "--require-hashes", "--no-deps", "-r", lock], "packages", on_line=seen.line)
        for each in kinds:
            write_stamp(STAMPS / f"packages-{each}", keys[each])
        current.result = f"{count} packages from {lock.name}"


class _Progress:
    """Counts the packages that pip says it has got."""

    def __init__(self, current: Step, total: int) -> None:
        self.current = current
        self.total = total
        self.done = 0

    def line(self, line: str) -> None:
        if line.startswith(("Collecting ", "Requirement already satisfied")):
            self.done += 1
            self.current.tick(f"{self.done} of {self.total} packages fetched")
        elif line.startswith("Installing collected packages"):
            self.current.tick(f"unpacking {self.total} packages")


def ensure_project() -> None:
    """Install the four packages in place, without build isolation and so without the network."""
    key = key_of([ROOT / "pyproject.toml"], str(ROOT))
    if is_stamped(STAMPS / "project", key):
        return
    with step("project", "installing in place") as current:
        run([*PIP, "install", "--no-build-isolation", "--no-deps", "--editable", ROOT], "project")
        write_stamp(STAMPS / "project", key)
        current.result = "the four packages, in place; command .venv/bin/tapedeck"


def venv_answer(code: str) -> str:
    """What a line of Python prints inside the virtual environment."""
    return run([VENV_PYTHON, "-c", code], "virtual environment").strip()


def command_path(name: str) -> Path:
    """A program of the virtual environment."""
    return VENV / "bin" / name
