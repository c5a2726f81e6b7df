"""The market store in DuckDB: who reads while it is closed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import duckdb
import pytest

from events.errors import ReadModelUnavailable
from projections.market_duckdb import DuckMarketStore
from projections.market_store import TICK_ROW
from tests.fixtures.waiting import until

SLOW = "SELECT sum(a.range * b.range) FROM range(1000000) a, range(100000) b"


@pytest.mark.parametrize("waits", [True, False])
async def test_a_close_ends_what_is_read(tmp_path: Path, waits: bool) -> None:
    """A long query is ended, whether its asker waits or has given up, and the file is closed behind it."""
    store = DuckMarketStore(tmp_path / "market.duckdb")
    store.create()
    asking = asyncio.create_task(store._answer(lambda ask: ask(SLOW, [], TICK_ROW), None))
    await until(lambda: bool(store._reading))
    if not waits:
        asking.cancel()
    await store.close()
    with pytest.raises(ReadModelUnavailable if waits else asyncio.CancelledError):
        await asking
    duckdb.connect(str(tmp_path / "market.duckdb")).close()  # refused where it is open with other settings
