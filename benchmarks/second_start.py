"""The second start of anything compiled: from a new interpreter to the first row decided, for every decision loop.

    python -m benchmarks.second_start

The first starts, if loops are not compiled yet, are made before and not counted. Counted are misses of the cache in
the second: a loop that is compiled again is a fault. The baseline of the same run is an interpreter that imports numba.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from engine.loop.module import cache_folder
from engine.loop.warm_up import loop_sets
from engine.strategies.registry import discover

LIMIT_SECONDS = 1.0
RUNS = 3
BARE = "import numba; from numba import njit"
OURS = """
import sys, time
began = time.process_time()
from engine.loop.decision_loop import loop_for
from engine.loop.warm_up import loop_set
from engine.strategies.registry import discover
loaded = time.process_time()
one = loop_set(sys.argv[1])
loop_for(one.names, discover(), one.intervals)
print(time.process_time() - loaded)
"""


def run(code: str, *arguments: str) -> tuple[float, float, float]:
    """Wall and CPU seconds of an interpreter in the best of some runs, and what it printed last."""
    wall, used, told = float("inf"), float("inf"), 0.0
    for _ in range(RUNS):
        before, began = os.times(), time.perf_counter()
        found = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        after = os.times()
        wall = min(wall, time.perf_counter() - began)
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        if spent < used:
            used, told = spent, float(found.stdout or 0)
    return wall, used, told


def main() -> None:
    """Measure and print."""
    registry = discover()
    sets = loop_sets(registry)
    for one in sets:
        subprocess.run([sys.executable, "-c", OURS, one.argument], capture_output=True, check=True)
    files = set((cache_folder() / "__pycache__").iterdir())
    bare_wall, bare, _ = run(BARE)
    print(f"Second start, seconds, best of {RUNS}, load {os.getloadavg()[0]:.1f}; goal {LIMIT_SECONDS:g} s for a loop")
    print(f"{'loop':<28}{'wall':>8}{'CPU':>8}{'loop alone':>12}{'bare numba':>12}{'ratio':>8}")
    for one in sets:
        wall, used, alone = run(OURS, one.argument)
        print(f"{one.title:<28}{wall:>8.2f}{used:>8.2f}{alone:>12.2f}{bare:>12.2f}{used / bare:>8.2f}")
    made = set((cache_folder() / "__pycache__").iterdir()) - files
    print(f"bare numba takes {bare_wall:.2f} s on the wall; compiled again: {len(made)} files")


if __name__ == "__main__":
    main()
