"""Strategies that only tests use: one that says what it is told, one that says anything, one that fails."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from engine.loop.records import INTENT_DTYPE
from engine.strategies.strategy import BOOK, CLOCK, QUOTES, TRADES, Strategy

SCRIPT_MAX = 64


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


class NoisyParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How noisy."""

    seed: Annotated[int, Meta(ge=0)] = 1
    every: Annotated[int, Meta(ge=1)] = 3


class FailingParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When it fails, and how."""

    calls: Annotated[int, Meta(ge=0)] = 5
    code: int = -7


# `script[n]` is said on call n; with `twice` set in its tag, the next one is said on the same call.
SCRIPT = np.dtype([("calls", "<i8"), ("place", "<i8"), ("script", INTENT_DTYPE, (SCRIPT_MAX,)), ("at", "<i8", (64,))])


def scripted(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """Say every line of the script whose `at` is this call."""
    said = 0
    while state["place"] < SCRIPT_MAX and state["at"][state["place"]] == state["calls"] + 1:
        intents[said] = state["script"][state["place"]]
        state["place"] += 1
        said += 1
    state["calls"] += 1
    return said


NOISE = np.dtype([("counter", "<i8")])


def noisy(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """Any intent at any time, by a counter and a linear congruence."""
    if state["counter"] == 0:
        state["counter"] = params["seed"]
    number = draw(state)
    if number % params["every"] != 0:
        return 0
    asked = 1 + draw(state) % 3
    for at in range(asked):
        intents[at]["kind"] = 1 + draw(state) % 5
        intents[at]["order_kind"] = draw(state) % 6
        intents[at]["side"] = 1 if draw(state) % 2 == 0 else -1
        intents[at]["time_in_force"] = draw(state) % 4
        intents[at]["code"] = draw(state) % 2 * 40
        away = (draw(state) % 21 - 10) * 0.01
        intents[at]["price"] = market["last"] + away
        intents[at]["stop_price"] = market["last"] - away if intents[at]["order_kind"] != 5 else abs(away)
        intents[at]["quantity"] = (draw(state) % 4) * 0.5
        intents[at]["strength"] = away
        intents[at]["tag"] = draw(state) % 3
        if draw(state) % 50 == 0:
            intents[at]["price"] = market["last"] * np.nan
    return asked


def draw(state: Any) -> int:
    """The next of a run of numbers in 0..2^15 - 1."""
    state["counter"] = (state["counter"] * 1103515245 + 12345) % 2147483648
    return (state["counter"] >> 16) & 32767


CALLS = np.dtype([("calls", "<i8")])


def failing(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """Enter on the first call, return `code` on call `calls`."""
    state["calls"] += 1
    if state["calls"] == params["calls"]:
        return params["code"]
    if state["calls"] == 1:
        intents[0]["kind"] = 1
        return 1
    return 0


SEEN_MAX = 64
SEEN = np.dtype([("calls", "<i8"), ("seen", "<f8", (SEEN_MAX, 8))])


def seeing(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """Write down what it is called with, the first calls; go long on the second."""
    at = state["calls"]
    state["calls"] += 1
    if at < SEEN_MAX:
        state["seen"][at][0] = row["price"]
        state["seen"][at][1] = row["quantity"]
        state["seen"][at][2] = row["flags"]
        state["seen"][at][3] = market["bar_open"]
        state["seen"][at][4] = market["bar_high"]
        state["seen"][at][5] = market["bar_low"]
        state["seen"][at][6] = row["ts_event_ns"] // 1_000_000_000
        state["seen"][at][7] = market["last"]
    if at != 1:
        return 0
    intents[0]["kind"] = 1
    return 1


ALL_KINDS = TRADES | QUOTES | BOOK | CLOCK
SCRIPTED = Strategy(
    id="scripted", name="s", description="s", params=NoParams, state=SCRIPT, kernel=scripted, kinds=TRADES | QUOTES
)
NOISY = Strategy(id="noisy", name="n", description="n", params=NoisyParams, state=NOISE, kernel=noisy, kinds=ALL_KINDS)
SEEING = Strategy(id="seeing", name="s", description="s", params=NoParams, state=SEEN, kernel=seeing)
FAILING = Strategy(id="failing", name="f", description="f", params=FailingParams, state=CALLS, kernel=failing)
