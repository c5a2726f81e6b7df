"""The market projection: what is legal on the tape never stops it."""

from __future__ import annotations

from pathlib import Path

import pytest

from projections.market_duckdb import DuckMarketStore
from projections.market_projection import MarketProjection
from projections.market_store import EVENT_NS_MAX, MarketQuery
from projections.runner import ProjectionRunner, RunnerSettings
from tests.projections.streams import Script, ticks

QUICK = RunnerSettings(linger_seconds=0.0, refresh_seconds=0.02, poll_seconds=0.005)


@pytest.mark.parametrize("time_ns", [-1, EVENT_NS_MAX + 1])
async def test_rows_of_impossible_times_are_left_out_and_counted(tmp_path: Path, time_ns: int) -> None:
    """A frame with a row before 1970 or after 2261 is applied without it, told, and counted anew by a rebuild."""
    script = Script()
    await script.market("sim", ticks(6, 0))
    odd = ticks(6, 0)
    odd["ts_event_ns"][2] = time_ns
    await script.market("sim", odd)
    last = await script.market("sim", ticks(6, 0))
    store = DuckMarketStore(tmp_path / "market.duckdb")
    store.create()
    projection = MarketProjection(store)
    runner = ProjectionRunner(script.tape, [projection], QUICK)
    await runner.start()
    try:
        assert await runner.wait_until(last, 10) == last
        assert (runner.status().state, projection.left_out) == ("ready", 1)
        kept = (await store.ticks(MarketQuery("sim", int(odd["instrument"][0])))).rows
        assert time_ns not in kept["ts_event_ns"]
        assert set(kept["sequence"]) == {1, 2, 3}
        await runner.rebuild()
        assert projection.left_out == 1
    finally:
        await runner.close()
        await store.close()
