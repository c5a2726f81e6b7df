"""Memory of every process of the demo: at most, at the end, and how much it grows while a session goes on.

    python -m benchmarks.memory [--minutes N]

Runs `tapedeck demo` on a fresh data folder, then one more paper session on its live simulation for `--minutes`.
The limits are of resident memory (RSS) of one process; "all" is the sum of shares (PSS), which counts a page that
several processes share once, and "of the most" is each one's part of it when all together had most. The baseline is
an interpreter that has imported numba, and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from api.settings import Settings
from benchmarks.houses import register
from benchmarks.processes import Use, tree, use_of

LIMITS_MB = {"engine": 300.0, "api": 300.0, "all": 1_536.0}
LOOK_SECONDS = 0.5
DEMO_SECONDS_MAX = 300.0
GROWTH_MB_MAX = 2.0  # a minute, over the second half
SESSION = ("session", "start", "paper", "--source", "simulated", "--strategy", "ema_cross")
SERVING = "Serving until Ctrl-C."

Look = tuple[float, dict[str, float], float]  # seconds, RSS by name, PSS of all
Shares = dict[str, float]  # PSS by name, of several with one name together


class Watch:
    """Looks at a tree of processes again and again."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._began = time.monotonic()
        self.looks: list[Look] = []
        self.shares: Shares = {}  # when all together had most

    def look(self) -> None:
        """Once."""
        uses = tree(self._root)
        if not self.looks or sum(use.pss_mb for use in uses) > self.most("all"):
            self.shares = shares(uses)
        self.looks.append((time.monotonic() - self._began, named(uses), sum(use.pss_mb for use in uses)))
        time.sleep(LOOK_SECONDS)

    def most(self, name: str) -> float:
        """The greatest figure of a process, or of all."""
        return max(pss if name == "all" else by.get(name, 0.0) for _, by, pss in self.looks)

    def last(self, name: str) -> float:
        """The last figure."""
        _, by, pss = self.looks[-1]
        return pss if name == "all" else by.get(name, 0.0)

    def growth(self, name: str, since: float) -> float:
        """MiB a minute, from the middle of the time behind `since` to the end: medians of a tenth each."""
        later = [look for look in self.looks if look[0] >= since]
        half = later[len(later) // 2 :]
        tenth = max(len(half) // 10, 1)
        values = [pss if name == "all" else by.get(name, 0.0) for _, by, pss in half]
        minutes = (half[-1][0] - half[0][0]) / 60
        first, last = sorted(values[:tenth])[tenth // 2], sorted(values[-tenth:])[tenth // 2]
        return (last - first) / minutes if minutes > 0 else 0.0


def named(uses: list[Use]) -> dict[str, float]:
    """RSS by name; of several with one name the greatest."""
    found: dict[str, float] = defaultdict(float)
    for use in uses:
        found[use.name] = max(found[use.name], use.rss_mb)
    return dict(found)


def shares(uses: list[Use]) -> Shares:
    """PSS by name; of several with one name their sum."""
    found: dict[str, float] = defaultdict(float)
    for use in uses:
        found[use.name] += use.pss_mb
    return dict(found)


def baseline() -> float:
    """RSS of an interpreter with numba, MiB."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import numba, sys; print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    use = use_of(child.pid)
    child.communicate()
    return use.rss_mb if use else float("nan")


def watched(folder: Path, minutes: float) -> tuple[Watch, float]:
    """The demo, and a session behind it; when the demo's part was over, seconds."""
    env = {**os.environ, "TAPEDECK_DATA": str(folder), "TAPEDECK_API_PORT": "0"}
    told = folder / "told"
    with told.open("w") as output:
        demo = subprocess.Popen([sys.executable, "-m", "api.cli", "demo"], env=env, stdout=output, stderr=output)
    watch = Watch(demo.pid)
    try:
        while SERVING not in told.read_text():
            watch.look()
            if demo.poll() is not None or watch.looks[-1][0] > DEMO_SECONDS_MAX:
                raise SystemExit(f"the demo did not come to its end:\n{told.read_text()}")
        served = watch.looks[-1][0]
        env["TAPEDECK_DATA"] = str(folder / "demo")
        asyncio.run(register(Settings(data=env["TAPEDECK_DATA"]), "simulated"))
        subprocess.run([sys.executable, "-m", "api.cli", *SESSION], env=env, check=True, stdout=subprocess.DEVNULL)
        while watch.looks[-1][0] < served + minutes * 60:
            watch.look()
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(30)
    return watch, served


def main(minutes: float) -> None:
    """Measure and print."""
    bare = baseline()
    with tempfile.TemporaryDirectory(prefix="tapedeck-bench-") as folder:
        watch, served = watched(Path(folder), minutes)
    print(f"The demo ({served:.0f} s), then a paper session for {minutes:g} minutes; load {os.getloadavg()[0]:.1f}")
    print(f"{'process':<14}{'most MiB':>10}{'at the end':>12}{'of the most':>13}{'growth/min':>12}{'ratio':>8}  limit")
    for name in [*sorted(watch.looks[-1][1]), "all"]:
        most, limit = watch.most(name), LIMITS_MB.get(name)
        said = "" if limit is None else f"{limit:,.0f}: {'met' if most <= limit else 'NOT MET'}"
        growth = watch.growth(name, served)
        share = watch.most(name) if name == "all" else watch.shares.get(name, 0.0)
        figures = f"{most:>10.0f}{watch.last(name):>12.0f}{share:>13.0f}{growth:>12.2f}{most / bare:>8.2f}"
        print(f"{name:<14}{figures}  {said}")
    print(f"ratio: to an interpreter with numba, {bare:.0f} MiB")
    grown = watch.growth("all", served)
    print(f"all together grow {grown:.2f} MiB a minute ({'flat' if grown <= GROWTH_MB_MAX else 'NOT FLAT'})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    main(parser.parse_args().minutes)
