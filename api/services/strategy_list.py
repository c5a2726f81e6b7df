"""The strategies of this installation as clients see them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from api.reading.wording import instant_of
from engine.strategies.registry import Registry
from engine.strategies.strategy import Parameter, Strategy


class ParameterEntry(msgspec.Struct, frozen=True):
    """One parameter."""

    name: str
    kind: str
    default: float | int | bool
    minimum: float | None
    maximum: float | None
    description: str


class StrategyEntry(msgspec.Struct, frozen=True):
    """One strategy. Its times are those of its file."""

    id: str
    strategy_name: str
    description: str
    direction: Annotated[str, Meta(description="long, short or both")]
    enabled: bool
    category: str
    tags: tuple[str, ...]
    created_at: str
    updated_at: str
    parameters: list[ParameterEntry]


def strategy_list(registry: Registry) -> list[StrategyEntry]:
    """All strategies in order of id."""
    return [_entry(strategy) for strategy in registry.values()]


def _entry(strategy: Strategy) -> StrategyEntry:
    changed = instant_of(_changed_ns(strategy))
    return StrategyEntry(
        id=strategy.id,
        strategy_name=strategy.name,
        description=strategy.description,
        direction=strategy.direction,
        enabled=True,
        category=strategy.category,
        tags=strategy.tags,
        created_at=changed,
        updated_at=changed,
        parameters=[_parameter(one) for one in strategy.parameters()],
    )


def _parameter(one: Parameter) -> ParameterEntry:
    return ParameterEntry(one.name, one.kind, one.default, one.minimum, one.maximum, one.description)


def _changed_ns(strategy: Strategy) -> int:
    """When the file of a strategy was changed last, ns UTC."""
    file = getattr(sys.modules.get(strategy.kernel.__module__), "__file__", None)
    try:
        return Path(file).stat().st_mtime_ns if file else 0
    except OSError:
        return 0
