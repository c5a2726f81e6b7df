"""Where an error of a planned session lies in the body of contract 000's `POST /sessions/start`."""

from __future__ import annotations

import re
from typing import TypeVar

from api.session_request import ALLOCATIONS, StartRequest
from events.errors import TapedeckError

E = TypeVar("E", bound=TapedeckError)

STRATEGIES = "strategy_config.strategies"
# dotted name of a wish's field -> the contract's
FIELDS = {
    "mode": "session_type",
    "strategies": STRATEGIES,
    "recording": "config.session_id",
    "source": "config.source",
    "acceleration": "config.acceleration_factor",
    "seed": "config.seed",
    "name": "config.name",
    "limits.cash": "config.initial_cash",
    "limits.global_cap": "config.budget.global_cap",
    "limits.position_max": "config.max_position_size",
    "limits.stop_loss_ratio": "config.stop_loss_percent",
    "limits.take_profit_ratio": "config.take_profit_percent",
    "limits.trailing_ratio": "config.trailing_percent",
    "limits.daily_loss_ratio": "config.daily_loss_percent",
    "limits.slippage_ratio": "config.slippage_bps",
    "limits.slippage_jitter_ratio": "config.slippage_jitter_bps",
}
_OF_STRATEGY = re.compile(r"strategies\[(\d+)\]\.(\w+)(.*)\Z")


def in_contract(error: E, request: StartRequest) -> E:
    """The error with the contract's name of its field."""
    field = error.field or ""
    if field in FIELDS:
        return error.at(FIELDS[field])
    if field.startswith("limits."):
        return error.at(field.replace("limits.", "config.", 1))
    if (found := _OF_STRATEGY.match(field)) is None:
        return error
    at, name, rest = found.groups()
    if name == "params" and request.strategy_config is not None:
        return error.at(f"strategy_config.params.{request.strategy_config.strategies[int(at)]}{rest}")
    return error.at(ALLOCATIONS if name == "allocation_ratio" else STRATEGIES)
