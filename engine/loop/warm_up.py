"""Compile every loop that sessions may need, visibly, so that none is compiled on a session's path.

Each strategy has a loop of its own, and there is one of all; so too for lanes with an interval. The core comes first;
the rest is shared out among processes, because numba compiles under one lock.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from numba import config

from engine.loop.module import Loop, is_compiled, load_loop
from engine.strategies.registry import Registry, discover
from events.errors import ProcessFailed

# What is compiled next, how many of how many are done.
Report = Callable[[str, int, int], None]
PROCESSES_MAX = 4
BARS = "@bars"  # behind the names of a loop for lanes with an interval
OUTPUT_CHARACTERS = 2_000  # of a failed process that are shown


class LoopSet(NamedTuple):
    """The strategies of a loop, and whether it makes bars for lanes with an interval."""

    names: tuple[str, ...]
    intervals: bool = False

    @property
    def title(self) -> str:
        """What it is called while it is compiled."""
        title = self.names[0] if len(self.names) == 1 else f"all {len(self.names)} strategies"
        return f"{title} on bars" if self.intervals else title

    @property
    def argument(self) -> str:
        """What a compiling process is given."""
        return "+".join(self.names) + (BARS if self.intervals else "")


def loop_set(argument: str) -> LoopSet:
    """The set of an argument."""
    return LoopSet(tuple(argument.removesuffix(BARS).split("+")), argument.endswith(BARS))


def warm_up(folder: Path | None, report: Report, *, processes: int | None = None) -> list[Loop]:
    """Make every loop of the built-in strategies and of the user's `folder` ready; seconds where they are already.

    Raises:
        InvalidInput: a strategy file or kernel is refused.
        ProcessFailed: a compiling process failed, or the cache folder cannot be written.
    """
    registry = discover(folder)
    sets = loop_sets(registry)
    report("core", 0, len(sets))
    loops = [_load(registry, sets[0])]
    report(sets[0].title, 1, len(sets))
    missing = [one for one in sets[1:] if not is_compiled([registry[name] for name in one.names], one.intervals)]
    if missing:
        count = processes or min(int(getattr(config, "NUMBA_NUM_THREADS", 1)), PROCESSES_MAX)
        _compile_apart(missing, folder, count)
    for done, one in enumerate(sets[1:], 2):
        loops.append(_load(registry, one))
        report(one.title, done, len(sets))
    return loops


def loop_sets(registry: Registry) -> list[LoopSet]:
    """Every loop: one of each strategy alone, the last of all; first those without intervals."""
    alone: list[tuple[str, ...]] = [(name,) for name in registry]
    every = [*alone, tuple(registry)] if len(registry) > 1 else alone
    return [LoopSet(names, intervals) for intervals in (False, True) for names in every]


def _load(registry: Registry, one: LoopSet) -> Loop:
    return load_loop([registry[name] for name in one.names], one.intervals)


def _compile_apart(sets: Sequence[LoopSet], folder: Path | None, count: int) -> None:
    """Share the sets out, the last (the largest) first."""
    shares = [list(reversed(sets))[place::count] for place in range(min(count, len(sets)))]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "engine.loop.warm_up", str(folder or ""), *(one.argument for one in share)],
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


def main(arguments: Sequence[str]) -> int:
    """Compile the named sets: the folder or nothing, then the arguments of sets."""
    folder, *sets = arguments
    registry = discover(Path(folder) if folder else None)
    for argument in sets:
        _load(registry, loop_set(argument))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
