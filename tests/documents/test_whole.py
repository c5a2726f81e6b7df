"""Every entry of the inventory has a case, is left for later by name, or is pending; what is pending shrinks."""

from __future__ import annotations

import inspect
import re
from functools import cache

import pytest

from tests.documents import (
    test_contract_000,
    test_contract_001,
    test_contract_002,
    test_contract_003,
    test_contract_004,
    test_rates,
)
from tests.documents.left import left_whole
from tests.documents.pending import PENDING
from tests.documents.routes import is_mounted
from tests.documents.shapes import inventory

CONTRACTS = (test_contract_000, test_contract_001, test_contract_002, test_contract_003, test_contract_004, test_rates)
ENTRIES = inventory("")
ENTRIES_COUNT = 193

pytestmark = pytest.mark.skipif(not ENTRIES, reason="no contracts here")


@cache
def cases() -> frozenset[str]:
    """Entries with a case of their own."""
    return frozenset(name for contract in CONTRACTS for name in contract.CASES)


def test_the_inventory_is_the_one_that_is_known() -> None:
    """A new entry is noticed here before it is missed."""
    assert len(ENTRIES) == ENTRIES_COUNT


def test_every_entry_has_its_row() -> None:
    """An entry without a case that is neither left for later nor pending fails."""
    assert sorted(set(ENTRIES) - cases() - set(left_whole()) - PENDING) == []


def test_what_is_pending_is_not_there() -> None:
    """A route that is mounted has its case: then its entry is no longer pending. Nothing is pending that has one."""
    assert sorted(PENDING - set(ENTRIES)) == []
    assert sorted(PENDING & (cases() | set(left_whole()))) == [], "take these out of pending.py"
    assert sorted(name for name in PENDING if is_mounted(ENTRIES[name])) == [], "these routes need cases"


def test_what_is_left_has_no_other_case() -> None:
    """An entry is served or left, not both."""
    assert sorted(cases() & set(left_whole())) == []


@pytest.mark.parametrize("name", sorted(cases()))
def test_no_case_only_compares_constants(name: str) -> None:
    """Each asks a house for something and waits for what it says."""
    (case,) = {contract.CASES[name] for contract in CONTRACTS if name in contract.CASES}
    house = next(iter(inspect.signature(case).parameters))
    assert re.search(rf"await .*\b{house}\b|async (with|for) .*\b{house}\b", inspect.getsource(case), re.DOTALL), name
