"""The page of strategies is made of the registry and is not stale."""

from __future__ import annotations

from pathlib import Path

from engine.strategies.page import strategies_page
from engine.strategies.registry import discover

PAGE = Path(__file__).resolve().parents[3] / "docs" / "strategies.md"


def test_the_page_is_not_stale() -> None:
    """docs/strategies.md is what the registry says now."""
    advice = "run: python -m engine.strategies.page > docs/strategies.md"
    assert PAGE.read_text(encoding="utf-8") == strategies_page(discover()), advice


def test_every_parameter_is_on_the_page() -> None:
    """Each strategy has its heading and a line for each parameter."""
    page = PAGE.read_text(encoding="utf-8")
    for strategy in discover().values():
        assert f"\n## {strategy.id}\n" in page
        for parameter in strategy.parameters():
            assert f"| `{parameter.name}` |" in page
