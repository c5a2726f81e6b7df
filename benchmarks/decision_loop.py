"""The decision loop beyond W1: many lanes on one account, a call with one row, bars.

    python -m benchmarks.decision_loop [--runs N]

Baselines of the same run: the bare numba loop of W1, for each lane-row, and the plain Python loop.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import cycle, islice
from typing import Any

import msgspec
import numpy as np

from benchmarks.w1 import FAST, SLOW, bare, best, drive, plain, simulated_ticks, w1_spec
from engine.loop.decision_loop import DecisionLoop
from engine.loop.module import load_loop
from engine.loop.spec import LaneSpec, LoopSpec
from engine.strategies.registry import Registry, discover
from engine.strategies.strategy import Strategy
from events.facts import InstrumentTerms, SessionLimits
from events.rows import BAR_DTYPE, Rows

LIGHT = ("ema_cross", "reversal", "streak")  # a few nanoseconds each: what the loop itself costs
THREE = ("ema_cross", "mean_reversion", "breakout")  # of those that come with the engine
LANES = ((1, LIGHT), (2, LIGHT), (6, LIGHT), (12, LIGHT), (6, THREE), (12, THREE))
LIMIT_SIX, LIMIT_ONE_US = 20.0, 10.0
ONE_ROW_CALLS = 20_000


class Reach(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the light kernels act."""

    away_ratio: float = 0.0004
    steps: int = 4


STATE = np.dtype([("mean", "<f8"), ("last", "<f8"), ("count", "<i8"), ("said", "<i8")])


def reversal(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """Against a price that is far from its average."""
    price = row["price"]
    mean = price if state["mean"] == 0.0 else state["mean"] + (price - state["mean"]) * 0.01
    state["mean"] = mean
    away = price - mean
    if abs(away) < params["away_ratio"] * mean:
        return 0
    wanted = 2 if away > 0.0 else 1
    if wanted == state["said"]:
        return 0
    state["said"] = wanted
    intents[0]["kind"] = wanted
    return 1


def streak(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """With so many steps in one direction."""
    price = row["price"]
    if price > state["last"]:
        state["count"] = max(state["count"], 0) + 1
    elif price < state["last"]:
        state["count"] = min(state["count"], 0) - 1
    state["last"] = price
    if abs(state["count"]) < params["steps"]:
        return 0
    wanted = 1 if state["count"] > 0 else 2
    state["count"] = 0
    if wanted == state["said"]:
        return 0
    state["said"] = wanted
    intents[0]["kind"] = wanted
    return 1


def light(kernel: Any) -> Strategy:
    """A strategy of this benchmark alone."""
    name = kernel.__name__
    return Strategy(id=name, name=name, description=kernel.__doc__, params=Reach, state=STATE, kernel=kernel)


def two_instruments(rows: int) -> Rows:
    """Ticks of two instruments in one order of arrival."""
    out = np.concatenate([simulated_ticks(rows // 2, number, seed=number + 1) for number in range(2)])
    return out[np.argsort(out["ts_event_ns"], kind="stable")]


def lanes_spec(lanes: int, kernels: tuple[str, ...]) -> LoopSpec:
    """That many lanes, kernels in turn, over two instruments on one account; everything switched on."""
    terms = [
        InstrumentTerms(
            number=number,
            symbol=f"S{number}",
            quote="USD",
            price_step=0.01,
            quantity_step=0.001,
            notional_min=1.0,
            maker_fee_ratio=0.0002,
            taker_fee_ratio=0.0004,
        )
        for number in range(2)
    ]
    names = islice(cycle(kernels), lanes)
    limits = SessionLimits(
        cash=1e6,
        global_cap=1e6,
        order_notional=10_000.0,
        fill_ratio_max=1.0,
        stop_loss_ratio=0.02,
        take_profit_ratio=0.02,
        slippage_ratio=0.0001,
        latency_ms=5.0,
    )
    return LoopSpec(
        instruments=tuple(terms),
        lanes=tuple(LaneSpec(strategy=name, instrument=at * 2 // lanes) for at, name in enumerate(names)),
        limits=limits,
    )


def set_of(kernels: tuple[str, ...], registry: Registry) -> Mapping[str, Strategy]:
    """The strategies whose loop runs these kernels: all that come with the engine, or the light ones."""
    if kernels == THREE:
        return registry
    return {"ema_cross": registry["ema_cross"], "reversal": light(reversal), "streak": light(streak)}


def lanes_speed(registry: Mapping[str, Strategy], spec: LoopSpec, rows: Rows, runs: int) -> tuple[float, int]:
    """M rows per CPU second and fills, in the loop of all these strategies."""
    loop = DecisionLoop(spec, registry, loop=load_loop(list(registry.values())))
    start = loop.snapshot()
    seconds = best(runs, lambda: drive(loop, rows), lambda: loop.restore(start))
    return len(rows) / seconds / 1e6, int(loop.account["fills"][0])


def one_row(registry: Registry, spec: LoopSpec, rows: Rows) -> float:
    """Microseconds of a call with one row, mean of the best pass."""
    loop = DecisionLoop(spec, registry)
    singles = [rows[at : at + 1] for at in range(ONE_ROW_CALLS)]

    def play() -> None:
        for single in singles:
            loop.advance(single)

    return best(5, play) / ONE_ROW_CALLS * 1e6


def bars_of(rows: Rows, ticks: int = 20) -> Rows:
    """BAR_DTYPE rows of so many ticks each."""
    count = len(rows) // ticks
    prices = rows["price"][: count * ticks].reshape(count, ticks)
    bars = np.zeros(count, BAR_DTYPE)
    bars["ts_event_ns"] = bars["ts_received_ns"] = rows["ts_event_ns"][: count * ticks : ticks]
    bars["open"], bars["close"] = prices[:, 0], prices[:, -1]
    bars["high"], bars["low"] = prices.max(axis=1), prices.min(axis=1)
    bars["volume"], bars["interval_ns"] = 1000.0, 1_000_000_000
    return bars


def main(runs: int) -> None:
    """Measure and print."""
    registry, rows = discover(), two_instruments(1_000_000)
    fills = np.zeros((len(rows), 4))
    bare(rows, FAST, SLOW, fills)
    floor = len(rows) / best(runs, lambda: bare(rows, FAST, SLOW, fills)) / 1e6
    slow = len(rows) / best(1, lambda: plain(rows["price"].tolist())) / 1e6
    print(f"Decision loop, per CPU second, best of {runs}; bare numba W1 {floor:.1f}, plain Python {slow:.2f} M rows")
    for lanes, kernels in LANES:
        speed, count = lanes_speed(set_of(kernels, registry), lanes_spec(lanes, kernels), rows, runs)
        note = f" (limit {LIMIT_SIX:g})" if lanes == 6 else ""
        which = "light kernels" if kernels == LIGHT else "built-in kernels"
        print(
            f"  {lanes:2d} lanes, 3 {which}, 2 instruments {speed:6.1f} M rows/s{note},"
            f" {speed * max(lanes / 2, 1):.1f} M lane-rows/s, {speed / floor:.2f} of bare, {count} fills"
        )
    for name, spec in (("W1", w1_spec()), ("6 lanes", lanes_spec(6, THREE))):
        print(f"  one row a call, {name:8s}{one_row(registry, spec, rows):7.2f} us (limit {LIMIT_ONE_US:g})")
    bars, loop = bars_of(simulated_ticks()), DecisionLoop(w1_spec(), registry)
    start = loop.snapshot()
    seconds = best(runs, lambda: loop.advance_bars(bars), lambda: loop.restore(start))
    print(f"  bars, W1               {len(bars) / seconds / 1e6:7.1f} M bars/s, expansion included")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    main(parser.parse_args().runs)
