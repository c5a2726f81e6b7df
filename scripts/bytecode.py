"""Compiles the sources to bytecode, so that no process does it at its start, wherever it may not write beside them."""

from __future__ import annotations

import platform

from scripts.cache import is_stamped, key_of, write_stamp
from scripts.commands import run
from scripts.console import ROOT, step
from scripts.environment import STAMPS, VENV_PYTHON

PACKAGES = ("events", "engine", "projections", "api")


def ensure_bytecode() -> None:
    """Compile what changed since the last time.

    Raises:
        Trouble: a source cannot be compiled.
    """
    folders = [ROOT / package for package in PACKAGES if (ROOT / package).is_dir()]
    sources = [path for folder in folders for path in folder.rglob("*.py")]
    key = key_of(sources, platform.python_version(), str(ROOT))
    stamp = STAMPS / "bytecode"
    if is_stamped(stamp, key):
        return
    with step("bytecode", "compiling the sources") as current:
        run([VENV_PYTHON, "-m", "compileall", "-q", *folders], "bytecode")
        write_stamp(stamp, key)
        current.result = f"{len(sources)} sources"
