"""Repeats are counted as a plain set of whole rows would count them, wherever blocks end, and none is dropped."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.feeds import containers
from tests.engine.feeds.small_files import all_rows, feed_of

TICKS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2), st.integers(1, 2)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ticks=TICKS, block_bytes=st.integers(64, 2_000))
def test_repeats_are_counted_across_blocks(tmp_path: Path, ticks: list[tuple[int, int, int]], block_bytes: int) -> None:
    """For rows in order of time, each row equal to an earlier one of its moment counts once."""
    ordered = sorted(ticks, key=lambda tick: tick[0])
    path = tmp_path / "ticks.csv"
    lines = [f"2013-09-01 17:00:0{second}.083,{price},{size}\n" for second, price, size in ordered]
    path.write_text("DateTime,Price,Volume\n" + "".join(lines))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(containers.SourceFile.blocks, "__defaults__", (block_bytes,))
        feed = feed_of(path)
        repeats = [at + 2 for at, tick in enumerate(ordered) if tick in ordered[:at]]
        assert feed.report.count("REPEATS_KEPT") == len(repeats)
        finding = feed.report.find("REPEATS_KEPT")
        assert (finding.rows if finding else ()) == tuple(repeats[:10])
        assert len(all_rows(feed)) == len(ticks)
