"""Compiles the decision loops and archives QuestDB's classes ahead of the first session, visibly."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

from scripts.cache import is_stamped, key_of, write_stamp
from scripts.console import ROOT, Trouble, step
from scripts.environment import LOCKS, command_path
from scripts.questdb_jar import JAR_NAME


def ensure_kernels(cache: Path) -> None:
    """Run `tapedeck warm-up` where a source or a pinned version changed since it last ended well.

    Raises:
        Trouble: a kernel does not compile.
    """
    if not (ROOT / "api" / "cli" / "main.py").is_file():
        return
    market = ROOT / "projections" / "questdb"
    sources = [*(ROOT / "engine").rglob("*.py"), *(ROOT / "events").rglob("*.py"), LOCKS["run"]]
    sources += [market / "archive.py", market / "java.py"]
    has_jar = "with" if (cache / JAR_NAME).is_file() else "without"
    key = key_of(sources, platform.python_version(), platform.machine(), str(ROOT), has_jar)
    stamp = cache / "stamps" / "kernels"
    if is_stamped(stamp, key):
        return
    with step("kernels", "compiling the decision loops") as current:
        current.give_way()
        if subprocess.run([command_path("tapedeck"), "warm-up"], cwd=ROOT, check=False).returncode != 0:
            raise Trouble("kernels: `tapedeck warm-up` failed; what it said stands above")
        write_stamp(stamp, key)
        current.result = "compiled and cached"
