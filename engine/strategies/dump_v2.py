"""Sell into a dump: the price falls away from its own average at once, in a surge of volume that many people make.

This is `pump_v2` turned upside down. A crowd that leaves shows as a crowd that comes: the time-weighted average price
(TWAP) of the last second stands several percent under the TWAP of the last ten minutes, the volume rate is far over
that of the last hour, and the orders arrive at many instants, not as one big order through a thin book. `pump_v2`
says more of the three measures and of the rule that makes one event one signal. The end of a pump is often no dump in
this sense: its volume is no surge against the pump's.

Where a lane may not go short, the signal is still given: the loop closes what the lane holds and denies the short. The
position is left when the velocity has turned (above `exit_ratio` of its lowest since the entry) or after `hold_max_s`.

Sources: as `pump_v2`; the mirrored thresholds are its own, they were not fitted to dumps.

Bars and sources without quantities: as `pump_v2`. Signal strength: the velocity, a ratio below 0. Typical is 0.032
without its sign, the median of the signals in five recorded pumps and what followed them.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from engine.compiled import compiled
from engine.indicators.surge import SURGE_DTYPE, surge_update
from engine.indicators.velocity import VELOCITY_DTYPE, velocity_update
from engine.strategies.crowds_in_bars import crowd_unseen
from engine.strategies.strategy import Strategy

ENTER_SHORT = 2  # SignalKind
EXIT = 3
SECOND = 1_000_000_000


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Windows in seconds of event time, thresholds as ratios and counts."""

    velocity_min_ratio: Annotated[
        float, Meta(ge=0.001, le=1.0, description="fall of the fast TWAP under the slow one that is a dump, ratio")
    ] = 0.03
    surge_min: Annotated[
        float, Meta(ge=1.0, le=100000.0, description="volume rate of the surge window over the base's, times")
    ] = 10.0
    arrivals_min: Annotated[
        int, Meta(ge=1, le=100000, description="instants with a trade in the surge window, count")
    ] = 18
    fast_window_s: Annotated[int, Meta(ge=0, le=3600, description="fast TWAP; 0: the price itself, seconds")] = 1
    slow_window_s: Annotated[int, Meta(ge=10, le=604800, description="slow TWAP, and the warm-up, seconds")] = 600
    surge_window_s: Annotated[int, Meta(ge=1, le=86400, description="window of surge and arrivals, seconds")] = 5
    base_window_s: Annotated[int, Meta(ge=60, le=2592000, description="window the surge is held against, seconds")] = (
        3600
    )
    cooldown_s: Annotated[int, Meta(ge=0, le=604800, description="no second signal for so long, seconds")] = 3600
    rearm_ratio: Annotated[
        float, Meta(ge=0.0, le=1.0, description="share of velocity_min_ratio to fall under before the next, ratio")
    ] = 0.5
    exit_ratio: Annotated[
        float, Meta(ge=0.0, le=1.0, description="leave under this share of the deepest fall held, ratio")
    ] = 0.7
    hold_max_s: Annotated[int, Meta(ge=1, le=604800, description="leave after so long, seconds")] = 60

    def __post_init__(self) -> None:
        if self.fast_window_s >= self.slow_window_s:
            raise ValueError(
                f"fast_window_s is {self.fast_window_s} and slow_window_s {self.slow_window_s}: fast must be below slow"
            )
        if self.surge_window_s >= self.base_window_s:
            raise ValueError(
                f"surge_window_s is {self.surge_window_s} and base_window_s {self.base_window_s}: "
                "the surge window must be below the base"
            )


STATE = np.dtype(
    [
        ("velocity", VELOCITY_DTYPE),
        ("surge", SURGE_DTYPE),
        ("fired", "<i8"),  # 1: deaf since a signal
        ("signal_ns", "<i8"),  # time of the last signal
        ("held_ns", "<i8"),  # time the position was first seen, then of the last exit asked for; 0: flat
        ("leaving", "<i8"),  # 1: an exit was asked for
        ("deepest", "<f8"),  # deepest fall since the position was first seen
    ]
)


def kernel(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """At most one intent: the entry on the row that completes the picture, or the exit."""
    fall = -velocity_update(
        state["velocity"],
        row["ts_event_ns"],
        row["price"],
        params["fast_window_s"] * SECOND,
        params["slow_window_s"] * SECOND,
    )
    surge = surge_update(
        state["surge"],
        row["ts_event_ns"],
        row["quantity"],
        params["surge_window_s"] * SECOND,
        params["base_window_s"] * SECOND,
    )
    now_ns = state["surge"]["last_ns"]
    if state["fired"] == 1:
        calm = fall < params["rearm_ratio"] * params["velocity_min_ratio"]
        if calm and now_ns - state["signal_ns"] >= params["cooldown_s"] * SECOND:
            state["fired"] = 0
    elif (
        fall >= params["velocity_min_ratio"]
        and surge >= params["surge_min"]
        and state["surge"]["arrivals"] >= params["arrivals_min"]
        and now_ns - state["surge"]["first_ns"] >= params["slow_window_s"] * SECOND
    ):
        state["fired"] = 1
        state["signal_ns"] = now_ns
        intents[0]["kind"] = ENTER_SHORT
        intents[0]["strength"] = -fall
        return 1
    if lane["position"] >= 0.0:
        state["held_ns"] = 0
        return 0
    if not turned(state, now_ns, fall, params["exit_ratio"], params["hold_max_s"] * SECOND):
        return 0
    intents[0]["kind"] = EXIT
    intents[0]["strength"] = -fall
    return 1


@compiled
def turned(state: Any, now_ns: int, fall: float, exit_ratio: float, hold_max_ns: int) -> bool:
    """Whether to leave now. An exit is asked for once; again only where it brought nothing for `hold_max_ns`."""
    if state["held_ns"] == 0:
        state["held_ns"] = now_ns
        state["leaving"] = 0
        state["deepest"] = fall
    state["deepest"] = max(state["deepest"], fall)
    if now_ns - state["held_ns"] < hold_max_ns and (state["leaving"] == 1 or fall >= exit_ratio * state["deepest"]):
        return False
    state["held_ns"] = now_ns
    state["leaving"] = 1
    return True


STRATEGY = Strategy(
    id="dump_v2",
    name="Dump Detection v2",
    description="Fall of the time-weighted average price with a volume surge that many orders make",
    params=Params,
    state=STATE,
    kernel=kernel,
    direction="short",
    category="momentum",
    tags=("dump", "velocity"),
    typical_strength=0.032,
    unseen=crowd_unseen,
)
