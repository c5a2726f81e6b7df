"""docs/feeds.md names every format, option and finding, and every limit with its value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.feeds import containers, feed, file_feed, intake, merge, repeats, simulated, tables
from engine.feeds.formats import bars
from engine.feeds.mapping import Mapping
from engine.feeds.registry import FORMATS
from engine.feeds.report import FindingCode

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "feeds.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> set[str]:
    """Names in backquotes of the first column of the table under a heading."""
    section = PAGE.split(f"# {heading}\n", 1)[1].split("\n#", 1)[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_page_lists_formats_options_and_findings() -> None:
    """Nothing is missing from the tables and nothing is in them that does not exist."""
    assert first_cells("Files") == {one.name for one in FORMATS}
    assert first_cells("Options") == set(Mapping.__struct_fields__)
    assert first_cells("Findings") == {code.value for code in FindingCode}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (feed.CHUNK_ROWS_MAX, "65,536 rows"),
        (file_feed.KEPT_BYTES_MAX, "128 MB"),
        (containers.LINE_BYTES_MAX, "16 MB"),
        (intake.INSTRUMENTS_MAX, "10,000 instruments"),
        (simulated.INSTRUMENTS_MAX, "64 of a simulated"),
        (tables.COLUMNS_MAX, "1,000 columns"),
        (bars.DESCENDING_ROWS_MAX, "5,000,000 bars"),
        (merge.FEEDS_MAX, "256 merged"),
        (repeats.TAIL_ROWS_MAX, "1,000,000 rows"),
        (simulated.PUMPS_MAX, "1,000 pumps"),
        (simulated.DURATION_S_MAX // (365 * 86_400), "100 years"),
        (simulated.TRADES_PER_SECOND_MAX, "5,000"),
    ],
)
def test_page_says_the_limits(value: float, said: str) -> None:
    """Each limit stands on the page as it is in the code."""
    assert said in PAGE.split("## Limits")[1]
    number = float(re.match(r"[\d,]+", said)[0].replace(",", ""))  # type: ignore[index]
    assert value == number * (1024 * 1024 if " MB" in said else 1)
