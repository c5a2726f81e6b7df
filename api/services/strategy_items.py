"""Kinds of strategies and configured strategies as contract 001 words them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.reading.wording import instant_of
from engine.strategies.registry import Registry
from engine.strategies.strategy import Parameter, Strategy
from events.facts.strategies import Value
from projections.duckdb.store import Snapshot
from projections.read_models.answers import PAGE_ROWS_MAX, Page
from projections.read_models.strategies import StrategyRow, strategies

STATUSES = {"removed": "deleted"}


class KindParameter(msgspec.Struct, frozen=True, omit_defaults=True):
    """One parameter of a kind. Every one has a default, so none is required."""

    type: str = msgspec.field()
    required: bool = msgspec.field()
    default: Value = msgspec.field()
    description: Annotated[str, Meta(description="meaning, unit")] = msgspec.field()
    minimum: float | None = None
    maximum: float | None = None


class KindItem(msgspec.Struct, frozen=True):
    """A kind of strategy; `name` is the `type` of those that are configured."""

    name: str
    title: str
    description: str
    direction: str
    category: str
    tags: tuple[str, ...]
    typical_strength: Annotated[float, Meta(description="strength of a signal that scores a half")]
    parameters: dict[str, KindParameter]


class StrategyItem(msgspec.Struct, frozen=True):
    """A configured strategy."""

    id: str
    name: str
    type: str
    status: Annotated[str, Meta(description="active, inactive, or deleted in the answer to a deletion")]
    params: Annotated[dict[str, Any], Meta(description="symbols and timeframe, and what differs from the kind's own")]
    direction: str
    category: str
    tags: tuple[str, ...]
    description: str
    user: str
    created_at: str
    updated_at: str


def items(snapshot: Snapshot) -> list[StrategyItem]:
    """All that are there, in the order in which they were created."""
    return [item(row) for row in strategies(snapshot, Page(limit=PAGE_ROWS_MAX)).rows]


def item(row: StrategyRow) -> StrategyItem:
    """A configured strategy as contract 001 words it."""
    params: dict[str, Any] = {"symbols": row.symbols} if row.symbols else {}
    if row.timeframe:
        params["timeframe"] = row.timeframe
    return StrategyItem(
        id=row.strategy,
        name=row.name,
        type=row.kind,
        status=STATUSES.get(row.state, row.state),
        params={**params, **row.params},
        direction=row.direction,
        category=row.category,
        tags=row.tags,
        description=row.description,
        user=row.user,
        created_at=instant_of(row.created_ns),
        updated_at=instant_of(row.updated_ns),
    )


def kinds(registry: Registry) -> list[KindItem]:
    """The kinds of this installation, in order of id."""
    return [_kind(one) for one in registry.values()]


def _kind(one: Strategy) -> KindItem:
    return KindItem(
        name=one.id,
        title=one.name,
        description=one.description,
        direction=one.direction,
        category=one.category,
        tags=one.tags,
        typical_strength=one.typical_strength,
        parameters={parameter.name: _parameter(parameter) for parameter in one.parameters()},
    )


def _parameter(one: Parameter) -> KindParameter:
    return KindParameter(one.kind, False, one.default, one.description, one.minimum, one.maximum)
