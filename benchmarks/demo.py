"""How soon the demo's result stands, stage by stage: on a fresh data folder, and on one that has a demo.

    python -m benchmarks.demo

`tapedeck demo --exit` is run twice; each stage lasts from the line that says it begins to the next one's. The baseline
is what the demo waits for on purpose, its ten seconds of paced market. The set-up is not part of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from api.cli.demo import PACED_SECONDS

LIMITS_SECONDS = {"first": 60.0, "second": 20.0}
# Stages by how the line begins that says so; the last is the result.
STAGES = {
    "A new tape": "the tape",
    "Starting the servers": "servers, seal, engine, worker",
    "A paper session": "the session, until its source plays",
    "Recorded in bulk": "beside it: replay, fork, report",
    "Waiting for the live tail": "the live tail",
    "The live tail ended": "the end of the session",
    "Verifying the paper": "verification, and until reads are answered",
    "verified": "result",
}


class Run(NamedTuple):
    """One demo: when each stage began, seconds from the start of the process."""

    begins: dict[str, float]

    @property
    def result(self) -> float:
        """Seconds until the result stands."""
        return self.begins["result"]

    def lasted(self, stage: str) -> float | None:
        """Seconds of a stage; None where it was not part of it."""
        names = list(self.begins)
        if stage not in self.begins:
            return None
        return self.begins[names[names.index(stage) + 1]] - self.begins[stage]


def ran(folder: str) -> Run:
    """The demo on a data folder. Raises SystemExit where it fails."""
    env = {**os.environ, "TAPEDECK_DATA": folder, "TAPEDECK_API_PORT": "0", "PYTHONUNBUFFERED": "1"}
    begins = {"imports": 0.0}
    began = time.perf_counter()
    command = [sys.executable, "-m", "api.cli", "demo", "--exit"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            for begin, stage in STAGES.items():
                if line.startswith(begin):
                    begins.setdefault(stage, time.perf_counter() - began)
    if child.returncode or "result" not in begins:
        raise SystemExit(f"the demo ended with {child.returncode}")
    return Run(begins)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="tapedeck-bench-") as folder:
        runs = {"first": ran(folder), "second": ran(folder)}
    print(f"The demo without the set-up, seconds; load {os.getloadavg()[0]:.1f}")
    print(f"{'stage':<46}{'first':>10}{'second':>10}")
    for stage in ("imports", *list(STAGES.values())[:-1]):
        lasted = [run.lasted(stage) for run in runs.values()]
        print(f"{stage:<46}" + "".join(f"{'-' if one is None else f'{one:.2f}':>10}" for one in lasted))
    print(f"{'result':<46}" + "".join(f"{run.result:>10.2f}" for run in runs.values()))
    print(
        f"{'ratio to the paced ' + f'{PACED_SECONDS:g}':<46}"
        + "".join(f"{r.result / PACED_SECONDS:>10.2f}" for r in runs.values())
    )
    for name, run in runs.items():
        limit = LIMITS_SECONDS[name]
        print(f"{name}: goal {limit:g} s: {'met' if run.result <= limit else 'NOT met'}")


if __name__ == "__main__":
    main()
