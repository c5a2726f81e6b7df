"""The facts of the inventory, walked one by one: each documented request, body, error, parameter and guard."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.api.worlds import World
from tests.documents import facts_000, facts_001, facts_002, facts_003, facts_004
from tests.documents.facts import (
    Ask,
    Asker,
    Entry,
    Fact,
    Table,
    answers,
    facts_of,
    guards,
    matters,
    refuses,
    routes_of,
    takes_form,
)
from tests.documents.shapes import inventory
from tests.documents.stage import Stage
from tests.documents.test_page import PAGE

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not inventory(""), reason="no contracts here"),
]

TABLES: dict[str, Table] = {
    "s0.": facts_000.TABLE,
    "s1.": facts_001.TABLE,
    "s2.": facts_002.TABLE,
    "s3.": facts_003.TABLE,
    "s4.": facts_004.TABLE,
}
ROUTES: dict[str, Entry] = {name: entry for prefix in TABLES for name, entry in routes_of(prefix).items()}
FACTS: list[Fact] = [fact for entry in ROUTES.values() for fact in facts_of(entry)]

TOLD = re.compile(r"^\| `(s\d\.[\w.]+)`, ([^|]+?) \| [^|]+ \|$", re.MULTILINE)


def table_of(name: str) -> Table:
    """The table of an entry's contract."""
    return TABLES[name[:3]]


def has_row(name: str, part: str) -> bool:
    """Whether it is said how a fact is put to the house; every answer and guard is put as it stands."""
    kind, _, what = part.partition(" ")
    table = table_of(name)
    match kind:
        case "error":
            return (name, int(what)) in table.errors
        case "query":
            return (name, what) in table.queries
        case "form":
            return name in table.forms
        case _:
            return True


async def walk(asker: Asker, name: str, part: str) -> None:
    """Put one fact to a house. Raises AssertionError where it does not hold."""
    table, entry = table_of(name), ROUTES[name]
    ask = table.asks.get(name, Ask())
    kind, _, what = part.partition(" ")
    match kind:
        case "answer":
            await answers(asker, entry, table, ask)
        case "form":
            await takes_form(asker, entry, ask.with_(table.forms[name]))
        case "alias":
            await answers(asker, entry, table, ask, what)
        case "auth":
            await guards(asker, entry, ask)
        case "error":
            for wrong in table.errors[name, int(what)]:
                await refuses(asker, entry, int(what), ask, wrong)
        case "query":
            await matters(asker, entry, what, ask, table.queries[name, what])
        case _:
            pytest.fail(f"a part that nothing checks: {part}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asker(made: World) -> AsyncIterator[Asker]:
    """Asks a house that makes what is asked for."""
    yield Asker(made, Stage(made))


def excepted(fact: Fact) -> bool:
    """Whether a fact is said not to hold."""
    return fact in table_of(fact[0]).exceptions


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


@pytest.mark.parametrize(("name", "part"), [fact for fact in FACTS if has_row(*fact) and excepted(fact)])
async def test_exception(asker: Asker, name: str, part: str) -> None:
    """What is said not to hold does not: else its row is to go."""
    with pytest.raises(AssertionError):
        await walk(asker, name, part)
