"""Contract 001: kinds of strategies and configured strategies. `GET /api/strategies/` is routed in `session_control`,
because contract 000 has the same path without the slash.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from api.access import name_of
from api.house import House
from api.reading.asking import TEXT_MAX
from api.reading.reader import Moment, answered
from api.services import configured_strategies, learning
from api.services.acting import Done
from api.services.strategy_items import KindItem, StrategyItem, item, kinds
from api.session_control import Key, done
from events.errors import InvalidInput
from events.facts.strategies import (
    ActivateStrategy,
    DeactivateStrategy,
    Direction,
    RemoveStrategy,
    StrategyChanges,
)
from events.facts.timeframes import Timeframe
from events.misfits import fitted
from projections.read_models.strategies import strategy

OPEN = {"elsewhere": "trader"}
WHOLE_MAX = 2**63 - 1
SWITCHES = "POST .../activate and .../deactivate switch a strategy."

StrategyId = Annotated[str, PathParameter(description="id of a configured strategy", max_length=TEXT_MAX)]
Text = Annotated[str, Meta(max_length=2_000)]
Word = Annotated[str, Meta(max_length=256)]
Words = Annotated[tuple[Word, ...], Meta(max_length=256)]


class NewStrategy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A strategy to configure; what is left out is the kind's."""

    name: Word
    type: Annotated[str, Meta(max_length=TEXT_MAX, description="a kind of /api/strategies/available")]
    params: Annotated[
        dict[str, Any], Meta(description="symbols, timeframe, and parameters of the kind by name; null: its default")
    ] = {}
    direction: Direction | None = None
    category: Word | None = None
    tags: Words | None = None
    description: Text | None = None


class ChangedStrategy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is left out stays, also within `params`. A whole item as it was read may be sent back."""

    name: Word | None = None
    type: Annotated[str, Meta(max_length=TEXT_MAX)] | None = None
    params: Annotated[dict[str, Any], Meta(description="null puts a parameter back to its default")] = {}
    direction: Direction | None = None
    category: Word | None = None
    tags: Words | None = None
    description: Text | None = None
    id: Word | None = None
    status: Annotated[str, Meta(max_length=TEXT_MAX, description="as read")] | None = None
    user: Word | None = None
    created_at: Word | None = None
    updated_at: Word | None = None


@get("/api/strategies/available")
async def available(house: NamedDependency[House], at: NamedDependency[Moment]) -> Response[list[KindItem]]:
    """The kinds of strategies of this installation, with their parameters."""
    sequence, epoch = house.reader.now(at)
    return answered(kinds(house.lookups.registry), sequence, epoch)


@get("/api/strategies/{strategy_id:str}")
async def one_strategy(
    strategy_id: StrategyId, house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[StrategyItem]:
    """One configured strategy."""
    return await house.reader.one(lambda snapshot: item(strategy(snapshot, strategy_id)), at)


@post("/api/strategies", status_code=200, opt=OPEN | learning.LATER)
async def create(
    data: JSONBody[NewStrategy], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[StrategyItem]:
    """Configure a strategy; it is inactive until it is activated. Paper and live sessions take active ones only."""
    given = StrategyChanges(kind=data.type, **_common(data))
    return await _told(house, await configured_strategies.create(house, name_of(request), key, given))


@put("/api/strategies/{strategy_id:str}", opt=OPEN | learning.LATER)
async def change(
    strategy_id: StrategyId,
    data: JSONBody[ChangedStrategy],
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    key: Key = None,
) -> Response[StrategyItem]:
    """Change a configured strategy. Sessions that run keep what they started with."""
    given = StrategyChanges(kind=data.type, **_common(data))
    row = await configured_strategies.known(house, strategy_id)
    for field, there in (("id", row.strategy), ("status", row.state)):
        if getattr(data, field) not in (None, there):
            raise InvalidInput(f"{field} is {there}; it is not changed here.", field=field, hint=SWITCHES)
    return await _told(house, await configured_strategies.change(house, name_of(request), key, row, given))


@delete("/api/strategies/{strategy_id:str}", status_code=200, opt=OPEN)
async def remove(
    strategy_id: StrategyId, request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[StrategyItem]:
    """Remove a configured strategy. Reads as of before still have it."""
    user = name_of(request)
    return await _told(house, await configured_strategies.switch(house, user, key, strategy_id, RemoveStrategy))


@post("/api/strategies/{strategy_id:str}/activate", status_code=200, opt=OPEN)
async def activate(
    strategy_id: StrategyId, request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[StrategyItem]:
    """Let a configured strategy trade in paper and live sessions."""
    user = name_of(request)
    return await _told(house, await configured_strategies.switch(house, user, key, strategy_id, ActivateStrategy))


@post("/api/strategies/{strategy_id:str}/deactivate", status_code=200, opt=OPEN)
async def deactivate(
    strategy_id: StrategyId, request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[StrategyItem]:
    """No new paper or live session with it; those that run go on."""
    user = name_of(request)
    return await _told(house, await configured_strategies.switch(house, user, key, strategy_id, DeactivateStrategy))


async def _told(house: House, how: Done) -> Response[StrategyItem]:
    return done(item(await configured_strategies.as_told(house, how)), how, house)


def _common(data: NewStrategy | ChangedStrategy) -> dict[str, Any]:
    """The fields of `StrategyChanges` that a body gives, with the contract's `params` taken apart."""
    params = dict(data.params)
    symbols = _converted(params, "symbols", tuple[Word, ...], ())
    timeframe = _converted(params, "timeframe", Timeframe, "")
    if data.type in learning.KINDS:
        params = {name: value for name, value in params.items() if name not in learning.MODEL_PARAMS}
    for name, value in params.items():
        _check_value(name, value)
    return {
        "name": data.name,
        "params": params,
        "symbols": symbols,
        "timeframe": timeframe,
        "direction": data.direction,
        "category": data.category,
        "tags": data.tags,
        "description": data.description,
    }


def _converted(params: dict[str, Any], name: str, kind: Any, default: Any) -> Any:
    """A parameter that is the contract's own, taken out; null: its default. None where it is left out."""
    if name not in params:
        return None
    value = params.pop(name)
    return default if value is None else fitted(value, kind, at=f"params.{name}")


def _check_value(name: str, value: Any) -> None:
    """Whether a value may stand in a fact; whether the kind takes it is checked with the kind."""
    if isinstance(value, float):
        fits = math.isfinite(value)
    else:
        fits = value is None or (isinstance(value, bool | int) and abs(value) <= WHOLE_MAX)
    if not fits:
        field = f"params.{name[:TEXT_MAX]}"
        raise InvalidInput(f"{field} must be a number, true, false or null.", field=field)


HANDLERS = [available, one_strategy, create, change, remove, activate, deactivate]
