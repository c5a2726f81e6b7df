"""The limits of a session and their bounds, worded for whoever names them as `limits.<name>`."""

from __future__ import annotations

import math

from msgspec import UnsetType

from events.errors import InvalidInput
from events.facts import SessionLimits

# field -> smallest and largest
BOUNDS: dict[str, tuple[float, float]] = {
    "cash": (0.0, 1e15),
    "global_cap": (0.0, 1e15),
    "position_max": (0.0, 1e15),
    "order_notional": (0.0, 1e15),
    "stop_loss_ratio": (0.0, 1.0),
    "daily_loss_ratio": (0.0, 1.0),
    "position_risk_ratio": (0.0, 1.0),
    "take_profit_ratio": (0.0, 100.0),
    "trailing_ratio": (0.0, 1.0),
    "fill_ratio_max": (0.0, 1.0),
    "slippage_ratio": (0.0, 0.5),
    "slippage_jitter_ratio": (0.0, 0.5),
    "latency_ms": (0.0, 60_000.0),
    "latency_jitter_ms": (0.0, 60_000.0),
    "queue_ratio": (0.0, 1.0),
    "equity_interval_ms": (1.0, 86_400_000.0),
}
COST_BOUNDS: dict[str, tuple[float, float]] = {
    "spread": (0.0, 1e12),
    "slippage": (0.0, 1e12),
    "commission": (0.0, 1e12),
    "leverage": (0.0, 10_000.0),
    "risk_ratio": (0.0, 1.0),
}


def check_limits(limits: SessionLimits) -> None:
    """Every limit within its bounds. Raises InvalidInput: with `limits.<name>` as its field."""
    _check(limits, BOUNDS, "limits")
    if not isinstance(limits.costs, UnsetType):
        _check(limits.costs, COST_BOUNDS, "limits.costs")


def _check(given: object, bounds: dict[str, tuple[float, float]], at: str) -> None:
    for name, (least, most) in bounds.items():
        value = getattr(given, name)
        if not (math.isfinite(value) and least <= value <= most):
            field = f"{at}.{name}"
            raise InvalidInput(f"{field} is {value}; it must be from {least:g} to {most:g}.", field=field)
