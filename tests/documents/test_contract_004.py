"""Contract 004, the control panel: entries of the inventory as cases, one file a resource."""

from __future__ import annotations

import pytest

from tests.api.worlds import World
from tests.documents import (
    cases_003_signals,
    cases_004_configuration,
    cases_004_instruments,
    cases_004_metrics,
    cases_004_operations,
    cases_004_rules,
)
from tests.documents.proving import prove
from tests.documents.shapes import inventory

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENTRIES = inventory("s4.")
CASES = {
    **cases_003_signals.CASES_004,
    **cases_004_configuration.CASES,
    **cases_004_instruments.CASES,
    **cases_004_metrics.CASES,
    **cases_004_operations.CASES,
    **cases_004_rules.CASES,
}


@pytest.mark.parametrize("entry", CASES)
async def test_entry(made: World, entry: str) -> None:
    """What the contract documents is so."""
    await prove(made, CASES, entry)
