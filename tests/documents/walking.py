"""Every fact of every route of the inventory, and how one is put to a house."""

from __future__ import annotations

import pytest

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
    unnamed,
)

TABLES: dict[str, Table] = {
    "s0.": facts_000.TABLE,
    "s1.": facts_001.TABLE,
    "s2.": facts_002.TABLE,
    "s3.": facts_003.TABLE,
    "s4.": facts_004.TABLE,
}
ROUTES: dict[str, Entry] = {name: entry for prefix in TABLES for name, entry in routes_of(prefix).items()}
FACTS: list[Fact] = [fact for entry in ROUTES.values() for fact in facts_of(entry)]


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


async def instead(asker: Asker, name: str, part: str) -> int:
    """The status that is seen where a fact is said not to hold: of nobody, at another path, or as asked."""
    entry, ask = ROUTES[name], table_of(name).asks.get(name, Ask())
    kind, _, what = part.partition(" ")
    if kind == "auth":
        return (await asker.send(entry, unnamed(ask))).status_code
    return (await asker.send(entry, ask, what if kind == "alias" else "")).status_code


def excepted(fact: Fact) -> bool:
    """Whether a fact is said not to hold."""
    return fact in table_of(fact[0]).exceptions


def reads() -> list[Fact]:
    """Facts that any house can be asked for: nothing has to be made for them, and nothing is changed."""
    return [fact for fact in FACTS if ROUTES[fact[0]]["method"] == "GET" and has_row(*fact) and not _needs(*fact)]


def _needs(name: str, part: str) -> bool:
    kind, _, what = part.partition(" ")
    table = table_of(name)
    asked = [table.asks.get(name, Ask()), *(wrong.change for wrong in table.errors.get((name, _number(what)), ()))]
    values = [value for ask in asked for group in (ask.parts, ask.query, ask.fill) for value in group.values()]
    made = any(isinstance(value, str) and value.startswith("@") for value in values)
    return made or kind == "form" or any(ask.needs or ask.during for ask in asked)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
