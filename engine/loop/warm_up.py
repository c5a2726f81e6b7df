"""Compile every loop that sessions may need, visibly, so that none is compiled on a session's path.

Each strategy has a loop of its own, and there is one of all. The core comes first; the rest is shared out among
processes, because numba compiles under one lock.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from numba import config

from engine.loop.module import Loop, is_compiled, load_loop
from engine.strategies.registry import Registry, discover
from events.errors import ProcessFailed

# What is compiled next, how many of how many are done.
Report = Callable[[str, int, int], None]
PROCESSES_MAX = 4
OUTPUT_CHARACTERS = 2_000  # of a failed process that are shown


def warm_up(folder: Path | None, report: Report, *, processes: int | None = None) -> list[Loop]:
    """Make every loop of the built-in strategies and of the user's `folder` ready; seconds where they are already.

    Raises:
        InvalidInput: a strategy file or kernel is refused.
        ProcessFailed: a compiling process failed, or the cache folder cannot be written.
    """
    registry = discover(folder)
    sets = loop_sets(registry)
    report("core", 0, len(sets))
    loops = [load_loop([registry[name] for name in sets[0]])]
    report(_title(sets[0]), 1, len(sets))
    missing = [names for names in sets[1:] if not is_compiled([registry[name] for name in names])]
    if missing:
        count = processes or min(int(getattr(config, "NUMBA_NUM_THREADS", 1)), PROCESSES_MAX)
        _compile_apart(missing, folder, count)
    for done, names in enumerate(sets[1:], 2):
        loops.append(load_loop([registry[name] for name in names]))
        report(_title(names), done, len(sets))
    return loops


def loop_sets(registry: Registry) -> list[tuple[str, ...]]:
    """Strategies of each loop: one of each alone, the last of all."""
    alone: list[tuple[str, ...]] = [(name,) for name in registry]
    return [*alone, tuple(registry)] if len(registry) > 1 else alone


def _compile_apart(sets: Sequence[tuple[str, ...]], folder: Path | None, count: int) -> None:
    """Share the sets out, the last (the largest) first."""
    shares = [list(reversed(sets))[place::count] for place in range(min(count, len(sets)))]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "engine.loop.warm_up", str(folder or ""), *("+".join(names) for names in share)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for share in shares
    ]
    for process in running:
        _, errors = process.communicate()
        if process.returncode != 0:
            for other in running:
                other.kill()
                other.wait()
            raise ProcessFailed(f"Compiling loops failed: {errors[-OUTPUT_CHARACTERS:]}")


def _title(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"all {len(names)} strategies"


def main(arguments: Sequence[str]) -> int:
    """Compile the named sets: the folder or nothing, then ids joined by +."""
    folder, *sets = arguments
    registry = discover(Path(folder) if folder else None)
    for names in sets:
        load_loop([registry[name] for name in names.split("+")])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
