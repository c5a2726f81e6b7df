"""Every benchmark has its figures told."""

from __future__ import annotations

import re

from api.cli.bench import benchmarks
from tests.tidy.sources import ROOT


def test_every_benchmark_has_a_row() -> None:
    """Whoever asks what a benchmark gave finds it in the table, and no row names a benchmark that is not there."""
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    named = {
        re.match(r"`(\w+)", row.split("|")[2].strip())[1]  # type: ignore[index]
        for row in text.splitlines()
        if row.startswith("|") and "`" in row.split("|")[2]
    }
    assert named == set(benchmarks())
