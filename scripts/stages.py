"""The quick checks of `make check` and `.ci/run`: each is one program, timed; all run, and one failure fails them."""

from __future__ import annotations

import subprocess
import sys
import time

from scripts.console import NAME_WIDTH, ROOT
from scripts.environment import command_path

QUICK: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("format", ("ruff", "format", "--check", "--quiet", ".")),
    ("lint", ("ruff", "check", "--quiet", ".")),
    ("types", ("mypy",)),
    ("imports", ("lint-imports",)),
)


def main() -> int:
    """Run the quick checks; 0 when all pass, else 1 after the output of each that did not."""
    failed = [name for name, command in QUICK if not passes(name, command)]
    if failed:
        print(f"\nnot in order: {', '.join(failed)}. `make format` mends the format")
    return 1 if failed else 0


def passes(name: str, command: tuple[str, ...]) -> bool:
    """Run one check and print its time; its output only when it fails."""
    began = time.perf_counter()
    outcome = subprocess.run(
        [command_path(command[0]), *command[1:]],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    good = outcome.returncode == 0
    word = "passed" if good else "FAILED"
    print(f"  {name:<{NAME_WIDTH}}{word} ({time.perf_counter() - began:.1f} s)", flush=True)
    if not good:
        print(outcome.stdout, flush=True)
    return good


if __name__ == "__main__":
    sys.exit(main())
