"""The page of events is generated, not written: it says what the sources say, and is never stale."""

from __future__ import annotations

import re

from events.facts import COMMANDS, FACTS
from events.rows import ROW_DTYPES
from scripts import docs_events


def test_page_is_fresh() -> None:
    """docs/events.md is what the generator gives; if not: python -m scripts.docs_events."""
    assert docs_events.PAGE.read_text(encoding="utf-8") == docs_events.page()


def test_every_type_and_row_is_on_the_page() -> None:
    """Each fact, command and row dtype has its section, and each row field its meaning."""
    page = docs_events.page()
    headings = re.findall(r"^### (.*)$", page, re.MULTILINE)
    for kind in FACTS + COMMANDS:
        assert kind.__name__ in headings
    for kind, version in ROW_DTYPES:
        heading = f"{kind.name}: kind {kind.value}, version {version}"
        assert heading in headings
        section = page.partition(f"### {heading}\n")[2].partition("\n### ")[0]
        fields = dict(re.findall(r"^\| `(\w+)` \| `[^`]+` \| (.*) \|$", section, re.MULTILINE))
        assert list(fields) == list(ROW_DTYPES[kind, version].names or ())
        assert [name for name, meaning in fields.items() if not meaning.strip()] == []
