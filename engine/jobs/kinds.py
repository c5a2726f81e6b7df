"""The kinds of jobs: one row each."""

from __future__ import annotations

from collections.abc import Mapping

from engine.jobs import backtest, montecarlo, sweep, walkforward
from engine.jobs.kind import Kind

ROWS = (backtest.KIND, walkforward.KIND, sweep.KIND, montecarlo.KIND)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in ROWS}
