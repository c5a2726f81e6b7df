"""The strategies of this installation as clients see them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from api.reading.wording import instant_of
from engine.strategies.registry import Registry
from engine.strategies.strategy import Parameter, Strategy, Value
from projections.duckdb.store import Snapshot
from projections.read_models.answers import PAGE_ROWS_MAX, Page
from projections.read_models.strategies import StrategyRow, strategies


class ParameterEntry(msgspec.Struct, frozen=True):
    """One parameter."""

    name: str
    kind: str
    default: float | int | bool
    minimum: float | None
    maximum: float | None
    description: str


class StrategyEntry(msgspec.Struct, frozen=True):
    """One strategy that a session can name: a kind, whose times are those of its file, or a configured one."""

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
    kind: Annotated[str, Meta(description="the strategy that runs; of a configured one its kind")]
    params: Annotated[dict[str, Value], Meta(description="of a configured one: what differs from the kind's defaults")]


def strategy_list(registry: Registry, snapshot: Snapshot) -> list[StrategyEntry]:
    """All kinds in order of id, then all configured strategies in the order in which they were created."""
    rows = strategies(snapshot, Page(limit=PAGE_ROWS_MAX)).rows
    kinds = dict(registry)
    return [*(_entry(kind) for kind in kinds.values()), *(_configured(row, kinds) for row in rows)]


def _configured(row: StrategyRow, kinds: Mapping[str, Strategy]) -> StrategyEntry:
    kind = kinds.get(row.kind)
    return StrategyEntry(
        id=row.strategy,
        strategy_name=row.name,
        description=row.description or (kind.description if kind else ""),
        direction=row.direction,
        enabled=row.state == "active",
        category=row.category,
        tags=row.tags,
        created_at=instant_of(row.created_ns),
        updated_at=instant_of(row.updated_ns),
        parameters=[_parameter(one) for one in kind.parameters()] if kind else [],
        kind=row.kind,
        params=row.params,
    )


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
        kind=strategy.id,
        params={},
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
