"""What a process of a house holds in memory begins with what it imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

ENGINE = "api.processes.roles, engine.sessions.host, engine.sessions.runner, engine.sources.holding"
PROJECTOR = "api.processes.roles, projections.market_projection, projections.runner, projections.questdb.store"


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        (ENGINE, ("polars", "pyarrow", "duckdb", "litestar", "granian")),
        (PROJECTOR, ("numba", "polars", "duckdb", "litestar", "granian")),
        ("api.processes.seal", ("numba", "polars", "duckdb", "litestar", "granian")),
        ("api.processes.serving", ("polars", "plotly")),
    ],
)
def test_a_process_imports_what_it_runs(modules: str, absent: tuple[str, ...]) -> None:
    """An engine has no read model in its memory and a projector no compiler."""
    code = f"import sys, {modules}; print(*(name for name in {absent!r} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
