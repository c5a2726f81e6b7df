"""Each format on a small file of its own: its rows to the last field, its instruments, its findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.feeds.registry import FORMATS, detect
from events.rows import BAR_DTYPE, MARKET_DTYPE
from tests.engine.feeds import small_bars, small_files, small_messages
from tests.engine.feeds.small_files import SmallFile, all_rows, feed_of, write

SMALL = tuple(
    value
    for module in (small_files, small_bars, small_messages)
    for value in vars(module).values()
    if isinstance(value, SmallFile)
)

every_small_file = pytest.mark.parametrize("small", SMALL, ids=[f"{one.format}:{one.name}" for one in SMALL])


def test_every_format_has_a_small_file() -> None:
    """No format is without a case here."""
    assert {one.format for one in SMALL} == {one.name for one in FORMATS}


@every_small_file
def test_format_is_told_by_content(small: SmallFile, tmp_path: Path) -> None:
    """The format is found out without being named."""
    assert detect(write(tmp_path, small)).name == small.format


@every_small_file
def test_rows_are_what_the_file_says(small: SmallFile, tmp_path: Path) -> None:
    """Every field of every row is as written by hand."""
    rows = all_rows(feed_of(write(tmp_path, small), **small.options))
    assert rows.dtype in (MARKET_DTYPE, BAR_DTYPE)
    assert [tuple(row) for row in rows.tolist()] == list(small.rows)


@every_small_file
def test_instruments_are_what_the_file_says(small: SmallFile, tmp_path: Path) -> None:
    """Symbol and venue of each instrument in the order of their first rows."""
    told = feed_of(write(tmp_path, small), **small.options).survey()
    assert tuple(f"{form.symbol}@{form.venue}" for form in told.instruments) == small.symbols
    assert told.section == ("bar" if told.kinds == ("bar",) else "market")
    assert told.rows == len(small.rows)


@every_small_file
def test_findings_are_what_the_file_has(small: SmallFile, tmp_path: Path) -> None:
    """Every odd thing is counted, with a row number unless it concerns the whole file, and nothing else is."""
    report = feed_of(write(tmp_path, small), **small.options).report
    assert {finding.code: finding.count for finding in report.findings} == small.findings
    assert report.rows_read == small.lines
    assert report.rows_made == len(small.rows)


@every_small_file
def test_named_format_gives_the_same(small: SmallFile, tmp_path: Path) -> None:
    """Naming the format changes nothing."""
    path = write(tmp_path, small)
    named = feed_of(path, **{**small.options, "format": small.format})
    assert all_rows(named).tobytes() == all_rows(feed_of(path, **small.options)).tobytes()
