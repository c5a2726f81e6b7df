"""Bet on the way back: a price far from its own mean, in deviations, is taken to return to it.

The z-score of the newest price is its distance from the mean of the last `window` prices over their standard
deviation. Under `-entry_z` buy, over `entry_z` sell short; leave when the score is back within `exit_z` of the mean,
or after `hold_max_s`. After an entry there is no other until the score has been back, so a trend that keeps away from
its mean, a stop or a refused order does not make the same bet again and again. Where the deviation is under
`deviation_min_ratio` of the price a return would not pay its costs, and nothing is entered.

Sources: E. Gatev, W. Goetzmann, K. Rouwenhorst, "Pairs Trading", Review of Financial Studies 19 (2006), for entry at
two deviations and exit at the mean; J. Bollinger, "Bollinger on Bollinger Bands" (2001), for the band of one price's
own. Signal strength: the z-score. Typical is 2.7, the median of entries at the default `entry_z`,
alike in hourly bars of BTC, ETH and EURUSD and in minute bars of BTC.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from engine.indicators.moments import MOMENTS_DTYPE, moments_step
from engine.strategies.strategy import Strategy

ENTER_LONG = 1  # SignalKind
ENTER_SHORT = 2
EXIT = 3
SECOND = 1_000_000_000
NEAR = 0.999  # further inside the threshold, squared, than rounding can reach


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Window in trades (in bars where the source has bars), thresholds in deviations."""

    window: Annotated[int, Meta(ge=2, le=1024, description="prices in mean and deviation, rows")] = 200
    entry_z: Annotated[float, Meta(ge=0.1, le=20.0, description="enter beyond this z-score, deviations")] = 2.5
    exit_z: Annotated[float, Meta(ge=0.0, le=20.0, description="leave within this z-score, deviations")] = 0.5
    deviation_min_ratio: Annotated[
        float, Meta(ge=0.0, le=1.0, description="deviation over price under which nothing is entered, ratio")
    ] = 0.0005
    hold_max_s: Annotated[int, Meta(ge=0, le=31536000, description="leave after so long; 0: never, seconds")] = 3600

    def __post_init__(self) -> None:
        if self.exit_z >= self.entry_z:
            raise ValueError(f"exit_z is {self.exit_z} and entry_z {self.entry_z}: exit_z must be below entry_z")


STATE = np.dtype(
    [
        ("moments", MOMENTS_DTYPE),
        ("bet", "<i8"),  # 1 long, -1 short, since the last entry; 0: the score has been back
        ("left", "<i8"),  # 1: the bet was left for its time
        ("entry_ns", "<i8"),  # time of the last entry
    ]
)


def kernel(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """At most one intent."""
    price = row["price"]
    window = params["window"]
    mean, squares = moments_step(state["moments"], price, window)
    if not squares >= 0.0:
        return 0  # NaN: the window is not full
    away = price - mean
    if state["bet"] == 0 and away * away * window < NEAR * params["entry_z"] * params["entry_z"] * squares:
        return 0  # far within the threshold: most rows need neither root nor quotient
    deviation = math.sqrt(squares / window)
    z = away / deviation if deviation > 0.0 else 0.0
    if state["bet"] == 0:
        if abs(z) < params["entry_z"] or deviation < params["deviation_min_ratio"] * price:
            return 0
        state["bet"] = -1 if z > 0.0 else 1
        state["left"] = 0
        state["entry_ns"] = row["ts_event_ns"]
        intents[0]["kind"] = ENTER_SHORT if z > 0.0 else ENTER_LONG
        intents[0]["strength"] = z
        return 1
    late = 0 < params["hold_max_s"] * SECOND <= row["ts_event_ns"] - state["entry_ns"]
    back = z * state["bet"] >= -params["exit_z"]
    if back:
        state["bet"] = 0
    elif state["left"] == 1 or not late:
        return 0
    state["left"] = 1
    if lane["position"] == 0.0 and lane["working"] == 0:
        return 0
    intents[0]["kind"] = EXIT
    intents[0]["strength"] = z
    return 1


STRATEGY = Strategy(
    id="mean_reversion",
    name="Mean reversion",
    description="Buys a price far under its rolling mean and sells one far above it, in deviations, until it is back.",
    params=Params,
    state=STATE,
    kernel=kernel,
    direction="both",
    category="mean reversion",
    tags=("z-score", "reversal"),
    typical_strength=2.7,
)
