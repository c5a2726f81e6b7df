"""Follow the trend: be long while the fast exponential average of the price is above the slow one, short below.

On the trade where the averages cross, the position is turned round. Both averages are seeded with the mean of their
first prices; before the slow one is ready nothing is decided. Source: Gerald Appel, "Technical Analysis: Power Tools
for Active Investors" (2005), and every text on moving-average crossovers since Richard Donchian's 5/20 rule.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from engine.indicators.ema import EMA_DTYPE, ema_update
from engine.strategies.strategy import Strategy

ENTER_LONG = 1  # SignalKind
ENTER_SHORT = 2


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Windows in trades (in bars where the source has bars)."""

    fast: Annotated[int, Meta(ge=2, le=5000, description="window of the fast average, rows")] = 50
    slow: Annotated[int, Meta(ge=3, le=20000, description="window of the slow average, rows")] = 200

    def __post_init__(self) -> None:
        if self.fast >= self.slow:
            raise ValueError(f"fast is {self.fast} and slow {self.slow}: fast must be below slow")


STATE = np.dtype([("fast", EMA_DTYPE), ("slow", EMA_DTYPE), ("above", "<i8")])  # above: 1, -1; 0 before the first


def kernel(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """One intent where the averages cross."""
    price = row["price"]
    fast = ema_update(state["fast"], price, params["fast"])
    slow = ema_update(state["slow"], price, params["slow"])
    above = state["above"]
    if fast > slow:
        now = 1
    elif fast < slow:
        now = -1
    else:
        return 0  # equal, or an average is not ready
    if now == above:
        return 0
    state["above"] = now
    if above == 0:
        return 0  # the first comparison is no crossing
    intents[0]["kind"] = ENTER_LONG if now > 0 else ENTER_SHORT
    intents[0]["strength"] = (fast - slow) / slow
    return 1


STRATEGY = Strategy(
    id="ema_cross",
    name="EMA cross",
    description="Long while the fast exponential average is above the slow one, short while it is below.",
    params=Params,
    state=STATE,
    kernel=kernel,
    direction="both",
    category="trend",
    tags=("trend", "moving average"),
)
