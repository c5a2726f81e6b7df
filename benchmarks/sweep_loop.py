"""W4: W1 for twenty pairs of windows, the whole loop for each, on two threads that hold no interpreter lock.

    python -m benchmarks.sweep_loop [--runs N] [--threads N]

The baseline of the same run is the bare numba loop of W1 on the same threads.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.w1 import bare, best, drive, plain, simulated_ticks, w1_spec
from engine.loop.decision_loop import DecisionLoop
from engine.strategies.registry import discover
from events.rows import Rows

PAIRS = [(fast, slow) for fast in (10, 20, 30, 40, 50) for slow in (100, 150, 200, 250)]
LIMIT_SPEED, LIMIT_MB = 100.0, 400.0


def run_pair(pair: tuple[int, int], rows: Rows) -> float:
    """One run of the sweep with a loop of its own; its last equity."""
    loop = DecisionLoop(w1_spec(*pair), REGISTRY)
    drive(loop, rows)
    return loop.equity


def bare_pair(pair: tuple[int, int], rows: Rows) -> float:
    """The same in the bare loop."""
    return float(bare(rows, *pair, np.zeros((len(rows) // 20, 4)))[1])


REGISTRY = discover()


def main(runs: int, threads: int) -> None:
    """Measure and print."""
    rows = simulated_ticks()
    pair_ticks = len(PAIRS) * len(rows) / 1e6
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda pair: run_pair(pair, rows), PAIRS))
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        want = list(pool.map(lambda pair: bare_pair(pair, rows), PAIRS))
        if not np.allclose(found, want, rtol=0.0, atol=1e-5):
            raise SystemExit(f"the sweep differs from the bare loop: {found} and {want}")
        speed, used = measure(runs, lambda: list(pool.map(lambda pair: run_pair(pair, rows), PAIRS)))
        floor, bare_used = measure(runs, lambda: list(pool.map(lambda pair: bare_pair(pair, rows), PAIRS)))
    print(f"W4, {len(PAIRS)} pairs x {len(rows) / 1e6:g} M ticks, {threads} threads, best of {runs} runs")
    print(f"  ours       {pair_ticks / speed:6.1f} M pair-ticks/s (limit {LIMIT_SPEED:g} on two idle cores)")
    print(f"  {'':10s} {threads * pair_ticks / used:6.1f} if the machine were ours: {threads} x per CPU second")
    print(f"  {'':10s} {memory_mb:6.0f} MB at most (limit {LIMIT_MB:g})")
    slow = len(rows) / best(1, lambda: plain(rows["price"].tolist())) / 1e6
    print(
        f"  bare numba {pair_ticks / floor:6.1f} M pair-ticks/s, {threads * pair_ticks / bare_used:.1f} likewise;",
        end="",
    )
    print(f" ours is {bare_used / used:.2f} of it. Plain Python {slow:.2f}")


def measure(runs: int, play: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the best run, and CPU seconds of the thriftiest."""
    least = thrifty = float("inf")
    for _ in range(runs):
        began, used = time.perf_counter(), time.process_time()
        play()
        least = min(least, time.perf_counter() - began)
        thrifty = min(thrifty, time.process_time() - used)
    return least, thrifty


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    main(arguments.runs, arguments.threads)
