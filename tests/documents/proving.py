"""A case of an entry, run; what is documented of a message or a rule is compared by it, whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.api.worlds import World
from tests.documents.shapes import CHECKED, inventory

Cases = Mapping[str, Callable[[World], Awaitable[None]]]
ONLY_A_TYPE = {"type": "string"}  # nothing is documented of the message but its category
# the shape is compared where the message comes from a job that really runs
IN_FLOWS = frozenset({"s2.ws.server.backtest_progress"})


async def prove(made: World, cases: Cases, name: str) -> None:
    """Run a case. Raises AssertionError where its message or rule was not held against its documented shape."""
    entry = inventory("").get(name)
    assert entry is not None, "the inventory has it no more"
    shape: Any = entry["response_shape"]
    CHECKED.discard(id(shape))
    await cases[name](made)
    if entry["kind"] == "rest" or isinstance(shape, str) or shape == ONLY_A_TYPE or name in IN_FLOWS:
        return  # of routes `test_facts.py` compares every answer
    assert id(shape) in CHECKED, "the case does not compare what is documented"
