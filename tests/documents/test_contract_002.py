"""Contract 002, research: entries of the inventory as cases, one file a resource."""

from __future__ import annotations

import pytest

from tests.api.worlds import World
from tests.documents import (
    cases_002_backtests,
    cases_002_configuration,
    cases_002_logs,
    cases_002_operations,
    cases_002_rules,
)
from tests.documents.proving import prove
from tests.documents.shapes import inventory

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENTRIES = inventory("s2.")
CASES = {
    **cases_002_backtests.CASES,
    **cases_002_configuration.CASES,
    **cases_002_logs.CASES,
    **cases_002_operations.CASES,
    **cases_002_rules.CASES,
}


@pytest.mark.parametrize("entry", CASES)
async def test_entry(made: World, entry: str) -> None:
    """What the contract documents is so."""
    await prove(made, CASES, entry)
