"""What a process of a house holds in memory begins with what it imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

STRATEGIES = "engine.strategies.registry; engine.strategies.registry.discover()"
ENGINE = "api.processes.roles, engine.sessions.host, engine.sessions.runner, engine.sources.holding"
PROJECTOR = "api.processes.roles, projections.market_projection, projections.runner, projections.questdb.store"


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        (ENGINE, ("polars", "pyarrow", "duckdb", "litestar", "granian")),
        (STRATEGIES, ("numba", "scipy")),
        (PROJECTOR, ("numba", "polars", "duckdb", "litestar", "granian")),
        ("api.processes.seal", ("numba", "polars", "duckdb", "litestar", "granian")),
        ("api.processes.serving", ("numba", "polars", "pyarrow", "plotly")),
    ],
)
def test_a_process_imports_what_it_runs(modules: str, absent: tuple[str, ...]) -> None:
    """An engine has no read model in its memory, and none but an engine or a worker a compiler."""
    code = f"import sys, {modules}; print(*(name for name in {absent!r} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
