"""Contract 003, monitoring: entries of the inventory as cases, one file a resource."""

from __future__ import annotations

import pytest

from tests.api.worlds import World
from tests.documents import (
    cases_003_executions,
    cases_003_explorer,
    cases_003_operations,
    cases_003_rules,
    cases_003_signals,
)
from tests.documents.proving import prove
from tests.documents.shapes import inventory

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENTRIES = inventory("s3.")
CASES = {
    **cases_003_operations.CASES,
    **cases_003_explorer.CASES,
    **cases_003_signals.CASES,
    **cases_003_executions.CASES,
    **cases_003_rules.CASES,
}


@pytest.mark.parametrize("entry", CASES)
async def test_entry(made: World, entry: str) -> None:
    """What the contract documents is so."""
    await prove(made, CASES, entry)
