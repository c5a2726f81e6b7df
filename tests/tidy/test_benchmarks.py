"""Every benchmark has its figures told."""

from __future__ import annotations

import re

from api.cli.bench import benchmarks
from tests.tidy.sources import ROOT

ROW = re.compile(r"^\| [^|]+ \| `([a-z_0-9]+)[^|]*\|", re.MULTILINE)  # its command is the name of a benchmark


def test_every_benchmark_has_a_row() -> None:
    """Whoever asks what a benchmark gave finds it in the table, and no row names a benchmark that is not there."""
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert set(ROW.findall(text.partition("## Long runs")[0])) == set(benchmarks())
