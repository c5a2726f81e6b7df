"""Follow the trend: be long while the fast exponential average of the price is above the slow one, short below.

On the trade where the averages cross, the position is turned round. Both averages are seeded with the mean of their
first prices; before the slow one is ready nothing is decided. Source: Gerald Appel, "Technical Analysis: Power Tools
for Active Investors" (2005), and every text on moving-average crossovers since Richard Donchian's 5/20 rule.

Signal strength: how far the fast average stands beyond the slow one, share of the slow one, on the row of the cross,
where the two have just met: it is small and grows with what one row moves. Typical is the median of crosses in minute
bars of BTC in January 2022, 0.00003; hourly bars of BTC and ETH have 0.0002, of EURUSD 0.00005, trades 0.000002.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from engine.indicators.ema import EMA_DTYPE, ema_ready, ema_update
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


STATE = np.dtype(
    [
        ("fast", EMA_DTYPE),
        ("slow", EMA_DTYPE),
        ("fast_ratio", "<f8"),  # 2 / (window + 1), once the slow average is ready
        ("slow_ratio", "<f8"),
        ("above", "<i8"),  # 1 or -1: where the fast average stands; 0 before the first comparison
    ]
)


def kernel(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """One intent where the averages cross."""
    price = row["price"]
    if state["slow_ratio"] == 0.0:
        return warm_up(state, params, price)
    fast = (price - state["fast"]["value"]) * state["fast_ratio"] + state["fast"]["value"]
    slow = (price - state["slow"]["value"]) * state["slow_ratio"] + state["slow"]["value"]
    state["fast"]["value"] = fast
    state["slow"]["value"] = slow
    above = 1 if fast > slow else -1
    if above == state["above"] or fast == slow:
        return 0
    first = state["above"] == 0
    state["above"] = above
    if first:
        return 0
    intents[0]["kind"] = ENTER_LONG if above > 0 else ENTER_SHORT
    intents[0]["strength"] = (fast - slow) / slow
    return 1


def warm_up(state: Any, params: Any, price: float) -> int:
    """Fill both windows; the first comparison is no crossing. From then on `kernel` needs no division."""
    fast = ema_update(state["fast"], price, params["fast"])
    slow = ema_update(state["slow"], price, params["slow"])
    if ema_ready(state["slow"], params["slow"]):
        state["fast_ratio"] = 2.0 / (params["fast"] + 1)
        state["slow_ratio"] = 2.0 / (params["slow"] + 1)
        if fast != slow:
            state["above"] = 1 if fast > slow else -1
    return 0


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
    typical_strength=0.00003,
)
