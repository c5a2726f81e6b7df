"""The page of metrics is made of the table and is not stale."""

from __future__ import annotations

from pathlib import Path

from engine.research.metrics.page import metrics_page
from engine.research.metrics.table import BY_NAME, METRICS, UNITS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


def test_the_page_is_not_stale() -> None:
    """docs/metrics.md is what the table says now."""
    advice = "run: python -m engine.research.metrics.page > docs/metrics.md"
    assert PAGE.read_text(encoding="utf-8") == metrics_page(), advice


def test_every_metric_says_what_it_is() -> None:
    """Each has a name of its own, a unit that is explained, a definition and a source."""
    assert len(BY_NAME) == len(METRICS)
    for metric in METRICS:
        assert metric.unit in UNITS
        assert metric.definition
        assert metric.source
        assert metric.label
