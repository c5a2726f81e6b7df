"""The kinds of jobs: one row each."""

from __future__ import annotations

from collections.abc import Mapping

from engine.jobs import backtest
from engine.jobs.kind import Kind

ROWS = (backtest.KIND,)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in ROWS}
