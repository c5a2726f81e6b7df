"""Buy into a pump: the price leaves its own average at once, in a surge of volume that many people make.

An organised pump is announced at a set minute to a channel of buyers. Within seconds the time-weighted average price
(TWAP) of the last second runs several percent ahead of the TWAP of the last ten minutes, the volume rate is hundreds
of times that of the last hour, and the orders come from dozens of hands. All three must hold on one row:

- *velocity*: `TWAP(fast) / TWAP(slow) - 1`. Weighed by time, so a single odd print is nothing;
- *surge*: volume rate of the surge window over the rate of the base window;
- *arrivals*: instants of the surge window at which something traded. This is what tells a crowd from one big order
  that sweeps a thin book: the order moves the price as far, and in a quiet hour it is a surge by itself, but it
  arrives once.

The first `slow_window_s` give no signal, and neither do those after a base window without any trade: a price of
before such a gap is no average, and a rate of nothing is no base.

One event is one signal: after it the detector is deaf until `cooldown_s` have passed and the velocity has fallen
under `rearm_ratio` of its threshold. The position is left when the velocity has turned (under `exit_ratio` of its
highest since the entry) or after `hold_max_s`: what the crowd lifts in a minute it sells in the next ones.

Sources: J. Kamps, B. Kleinberg, "To the moon: defining and detecting cryptocurrency pump-and-dumps", Crime Science
7:18 (2018): price and volume anomaly over a moving average; M. La Morgia, A. Mei, F. Sassi, J. Stefa, "Pump and Dumps
in the Bitcoin Era", ICCCN (2020): the rush of orders as the earliest sign. Velocity and arrivals are set in the
middle between what the recorded pumps reach and what brings many alarms; the surge, hundreds of times in those thin
markets, is set low, so that a market that trades all the time may have its pumps too. Defaults were set on five
recorded pumps; `benchmarks/pump_detection.py` prints how far each may move.

Bars hold no instants and no seconds: there give `fast_window_s` 0, `arrivals_min` 1 and windows of several bars; a
timeframe, or recorded bars, that give fewer than `arrivals_min` in the surge window are refused. A source without
quantities has no surge and gives no signal. Signal strength: the velocity, a ratio. Typical is 0.035, the median of the
signals in the five recorded pumps.
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

ENTER_LONG = 1  # SignalKind
EXIT = 3
SECOND = 1_000_000_000


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Windows in seconds of event time, thresholds as ratios and counts."""

    velocity_min_ratio: Annotated[
        float, Meta(ge=0.001, le=10.0, description="fast TWAP over slow TWAP, less 1, that is a pump, ratio")
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
        float, Meta(ge=0.0, le=1.0, description="leave under this share of the highest velocity held, ratio")
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
        ("peak", "<f8"),  # highest velocity since the position was first seen
    ]
)


def kernel(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """At most one intent: the entry on the row that completes the picture, or the exit."""
    speed = velocity_update(
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
        calm = speed < params["rearm_ratio"] * params["velocity_min_ratio"]
        if calm and now_ns - state["signal_ns"] >= params["cooldown_s"] * SECOND:
            state["fired"] = 0
    elif (
        speed >= params["velocity_min_ratio"]
        and surge >= params["surge_min"]
        and state["surge"]["arrivals"] >= params["arrivals_min"]
        and now_ns - state["surge"]["first_ns"] >= params["slow_window_s"] * SECOND
    ):
        state["fired"] = 1
        state["signal_ns"] = now_ns
        intents[0]["kind"] = ENTER_LONG
        intents[0]["strength"] = speed
        return 1
    if lane["position"] <= 0.0:
        state["held_ns"] = 0
        return 0
    if not turned(state, now_ns, speed, params["exit_ratio"], params["hold_max_s"] * SECOND):
        return 0
    intents[0]["kind"] = EXIT
    intents[0]["strength"] = speed
    return 1


@compiled
def turned(state: Any, now_ns: int, speed: float, exit_ratio: float, hold_max_ns: int) -> bool:
    """Whether to leave now. An exit is asked for once; again only where it brought nothing for `hold_max_ns`."""
    if state["held_ns"] == 0:
        state["held_ns"] = now_ns
        state["leaving"] = 0
        state["peak"] = speed
    state["peak"] = max(state["peak"], speed)
    if now_ns - state["held_ns"] < hold_max_ns and (state["leaving"] == 1 or speed >= exit_ratio * state["peak"]):
        return False
    state["held_ns"] = now_ns
    state["leaving"] = 1
    return True


STRATEGY = Strategy(
    id="pump_v2",
    name="Pump Detection v2",
    description="Rise of the time-weighted average price with a volume surge that many orders make",
    params=Params,
    state=STATE,
    kernel=kernel,
    direction="long",
    category="momentum",
    tags=("pump", "velocity"),
    typical_strength=0.035,
    unseen=crowd_unseen,
)
