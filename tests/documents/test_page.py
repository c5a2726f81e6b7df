"""docs/contracts.md names every entry that is served or left, with routes that are there, and every conflict."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from tests.documents.pending import PENDING
from tests.documents.routes import mounted, plain
from tests.documents.shapes import ROOT, folder, inventory

PAGE = Path(ROOT, "docs", "contracts.md").read_text(encoding="utf-8")
ENTRIES = inventory("")
ROW = re.compile(r"^\| (`s\d\.[^|]*)\|([^|]*)\|", re.MULTILINE)
ID = re.compile(r"`(s\d\.[\w.]+?)(\.\*)?`")
ROUTE = re.compile(r"`(GET|POST|PUT|DELETE) (/[^`]*)`")

pytestmark = pytest.mark.skipif(not ENTRIES, reason="no contracts here")


def named() -> set[str]:
    """Entries that a row names."""
    found: set[str] = set()
    for cell, _ in ROW.findall(PAGE):
        for name, below in ID.findall(cell):
            found |= {entry for entry in ENTRIES if entry.startswith(f"{name}.")} if below else {name}
    return found


def test_every_entry_has_a_row() -> None:
    """What is served or left for later can be looked up by its id; no id is made up."""
    assert sorted(named() - set(ENTRIES)) == []
    assert sorted(set(ENTRIES) - named() - PENDING) == []


def test_every_row_stands_in_a_table() -> None:
    """Above each row is another one, or the line below a header: else a reader sees bare pipes."""
    lines = PAGE.splitlines()
    rows = [at for at, line in enumerate(lines) if line.startswith("| ")]
    alone = [lines[at] for at in rows if not lines[at - 1].startswith("|") and not lines[at + 1].startswith("|---")]
    assert alone == []


def test_every_route_is_there() -> None:
    """A row names no route that the application has not."""
    routes = {
        (method, plain(path))
        for _, cell in ROW.findall(PAGE)
        for method, path in ROUTE.findall(cell)
    }  # fmt: skip
    assert sorted(routes - mounted()) == []
    assert len(routes) > 30


def test_every_conflict_is_settled() -> None:
    """Each has its row, which says what holds here."""
    known = {one["id"] for one in msgspec.json.decode((folder() / "conflicts.json").read_bytes())}
    told = {
        name for cells in re.findall(r"^\| (C\d[^|]*)\|", PAGE, re.MULTILINE) for name in re.findall(r"C\d+", cells)
    }
    assert told == known
