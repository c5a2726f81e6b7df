"""Contract 001, the platform: entries of the inventory as cases, one file a resource."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api.recordings import LiveSource, simulated_recording
from tests.api.worlds import World, world
from tests.documents import (
    cases_001_backtests,
    cases_001_market,
    cases_001_strategies,
)
from tests.documents.shapes import folder, inventory

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENTRIES = inventory("s1.")
CASES = {
    **cases_001_backtests.CASES,
    **cases_001_market.CASES,
    **cases_001_strategies.CASES,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A house with an engine, a recording of an hour and a live source of the same symbols."""
    if not ENTRIES:
        pytest.skip(f"no contracts here: set TAPEDECK_CONTRACTS_DIR to a folder with inventory.json (not {folder()})")
    async with world(tmp_path_factory.mktemp("contract"), engine=True) as found:
        await simulated_recording(found.tape)
        await LiveSource(found.tape).open()
        await found.caught_up()
        yield found


@pytest.mark.parametrize("entry", CASES)
async def test_entry(made: World, entry: str) -> None:
    """What the contract documents is so."""
    assert entry in ENTRIES, "the inventory has it no more"
    await CASES[entry](made)
