"""Follow a breakout: a price above everything of the last rows is bought, one below everything is sold short.

The Donchian channel is the highest and the lowest price of the last `entry_window` rows before this one. A price
above it by more than `buffer_ratio` enters long, below it short. The position is left when the price crosses the
narrower channel of the last `exit_window` rows against it. A second break the same way is no signal until that
channel was crossed, so one move is one entry, stopped out or not. A break the other way turns the position round at
once.

Source: Richard Donchian's four-week rule, as the Turtles traded it (20 days in, 10 days out): C. Faith, "Way of the
Turtle" (2007). Signal strength: how far the price stands beyond the channel, ratio. Typical is
0.002: the median of breaks is 0.001 in minute bars of BTC and in hourly bars of EURUSD, 0.003 to 0.007 in hourly bars
of BTC and ETH.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from engine.compiled import compiled
from engine.indicators.donchian import DONCHIAN_DTYPE, donchian_ready, donchian_update
from engine.strategies.strategy import Strategy

ENTER_LONG = 1  # SignalKind
ENTER_SHORT = 2
EXIT = 3


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Windows in trades (in bars where the source has bars)."""

    entry_window: Annotated[int, Meta(ge=2, le=1024, description="channel that is broken, rows")] = 480
    exit_window: Annotated[int, Meta(ge=1, le=1023, description="channel that ends the move, rows")] = 240
    buffer_ratio: Annotated[
        float, Meta(ge=0.0, le=0.5, description="how far beyond the channel is a break: share of the price, ratio")
    ] = 0.0005

    def __post_init__(self) -> None:
        if self.exit_window >= self.entry_window:
            raise ValueError(
                f"exit_window is {self.exit_window} and entry_window {self.entry_window}: exit must be below entry"
            )


STATE = np.dtype(
    [
        ("entry", DONCHIAN_DTYPE),
        ("exit", DONCHIAN_DTYPE),
        ("move", "<i8"),  # 1 upward, -1 downward since the last break; 0: none, or it has ended
    ]
)


def kernel(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """At most one intent. The channels compared with are those of the rows before this one."""
    price = row["price"]
    if price <= 0.0:
        return 0
    ready = donchian_ready(state["entry"], params["entry_window"])
    upper = state["entry"]["upper"]
    lower = state["entry"]["lower"]
    ceiling = state["exit"]["upper"]
    floor = state["exit"]["lower"]
    donchian_update(state["entry"], price, price, params["entry_window"])
    donchian_update(state["exit"], price, price, params["exit_window"])
    if not ready:
        return 0
    move = state["move"]
    if move != 1 and price > upper * (1.0 + params["buffer_ratio"]):
        state["move"] = 1
        return say(ENTER_LONG, 1.0 - upper / price, intents)
    if move != -1 and price < lower * (1.0 - params["buffer_ratio"]):
        state["move"] = -1
        return say(ENTER_SHORT, 1.0 - lower / price, intents)
    if (move == 1 and price < floor) or (move == -1 and price > ceiling):
        state["move"] = 0
        if lane["position"] != 0.0 or lane["working"] != 0:
            return say(EXIT, 1.0 - (floor if move == 1 else ceiling) / price, intents)
    return 0


@compiled
def say(kind: int, strength: float, intents: Any) -> int:
    """Write the one intent."""
    intents[0]["kind"] = kind
    intents[0]["strength"] = strength
    return 1


STRATEGY = Strategy(
    id="breakout",
    name="Donchian breakout",
    description="Enters where the price breaks its Donchian channel, leaves at a narrower channel on the other side.",
    params=Params,
    state=STATE,
    kernel=kernel,
    direction="both",
    category="trend",
    tags=("trend", "donchian", "channel"),
    typical_strength=0.002,
)
