"""The facts of the inventory, walked one by one: each documented request, body, error, parameter and guard."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api.worlds import World
from tests.documents.facts import Asker, Fact, Table
from tests.documents.shapes import inventory
from tests.documents.stage import Stage
from tests.documents.test_page import PAGE
from tests.documents.walking import FACTS, TABLES, excepted, has_row, instead, table_of, walk

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not inventory(""), reason="no contracts here"),
]

TOLD = re.compile(r"^\| `(s\d\.[\w.]+)`, ([^|]+?) \| [^|]+ \|$", re.MULTILINE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asker(made: World) -> AsyncIterator[Asker]:
    """Asks a house that makes what is asked for."""
    yield Asker(made, Stage(made))


@pytest.mark.parametrize(("name", "part"), [fact for fact in FACTS if has_row(*fact) and not excepted(fact)])
async def test_fact(asker: Asker, name: str, part: str) -> None:
    """What the inventory says of a route is so."""
    await walk(asker, name, part)


def rows(table: Table) -> set[Fact]:
    """Facts that a table has a row for."""
    return {
        *((name, "answer") for name in table.asks),
        *((name, f"error {status}") for name, status in table.errors),
        *((name, f"query {one}") for name, one in table.queries),
        *((name, "answer") for name, _ in table.empty),
        *((name, "form 2") for name in table.forms),
        *table.exceptions,
    }


async def test_every_fact_has_a_row() -> None:
    """A new error or parameter of the inventory has to be put to the house, or be excepted with the reason."""
    assert [fact for fact in FACTS if not has_row(*fact) and not excepted(fact)] == []


async def test_no_row_is_stale() -> None:
    """A row of what the inventory has no more goes."""
    assert sorted({fact for table in TABLES.values() for fact in rows(table)} - set(FACTS)) == []


async def test_exceptions_are_told() -> None:
    """The page has the same exceptions, with the reason."""
    told = {(name, part.strip("`")) for name, part in TOLD.findall(PAGE)}
    assert told == {fact for table in TABLES.values() for fact in table.exceptions}


@pytest.mark.parametrize(("name", "part"), [fact for fact in FACTS if excepted(fact)])
async def test_exception(asker: Asker, name: str, part: str) -> None:
    """What is said not to hold does not, and what is seen instead is what is said: else its row is to go."""
    assert await instead(asker, name, part) == table_of(name).exceptions[name, part]
    if has_row(name, part):
        with pytest.raises(AssertionError):
            await walk(asker, name, part)
