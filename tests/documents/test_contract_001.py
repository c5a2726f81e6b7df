"""Contract 001, the platform: entries of the inventory as cases, one file a resource."""

from __future__ import annotations

import pytest

from tests.api.worlds import World
from tests.documents import (
    cases_001_backtests,
    cases_001_keys,
    cases_001_market,
    cases_001_rules,
    cases_001_strategies,
    cases_003_executions,
)
from tests.documents.proving import prove
from tests.documents.shapes import inventory

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENTRIES = inventory("s1.")
CASES = {
    **cases_003_executions.CASES_001,
    **cases_001_backtests.CASES,
    **cases_001_keys.CASES,
    **cases_001_market.CASES,
    **cases_001_rules.CASES,
    **cases_001_strategies.CASES,
}


@pytest.mark.parametrize("entry", CASES)
async def test_entry(made: World, entry: str) -> None:
    """What the contract documents is so."""
    await prove(made, CASES, entry)
