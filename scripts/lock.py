"""`make lock`: resolves the pins of pyproject.toml into the two lock files, for every platform, with every hash."""

from __future__ import annotations

import shutil
import sys

from scripts.commands import run
from scripts.console import ROOT, Trouble, step

COMPILE = ("pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.11", "--generate-hashes")
PLAIN = ("--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command", "make lock")
LOCKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("requirements.lock", ("--group", "install")),
    ("requirements-dev.lock", ("--group", "install", "--group", "dev", "--constraint", "requirements.lock")),
)


def main() -> int:
    """Write both lock files; 1 with a clear line where that cannot be done."""
    uv = shutil.which("uv")
    if uv is None:
        print("the lock files are resolved with uv: pip install uv, then `make lock` again", file=sys.stderr)
        return 1
    try:
        for name, options in LOCKS:
            with step("lock", name):
                run([uv, *COMPILE, *PLAIN, *options, "--output-file", name], name, folder=ROOT)
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
