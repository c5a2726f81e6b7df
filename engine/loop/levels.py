"""The prices at which a lane's protective exits act, and the calm between them."""

from __future__ import annotations

import math

from engine.loop.records import Record


def stop_level(lane: Record, side: float) -> float:
    """The nearer of stop loss and trailing stop; 0 where neither is set."""
    stop = lane["entry_price"] * (1.0 - side * lane["stop_loss_ratio"]) if lane["stop_loss_ratio"] > 0.0 else 0.0
    if lane["trailing_ratio"] == 0.0:
        return stop
    trailing = lane["best_price"] * (1.0 - side * lane["trailing_ratio"])
    if stop == 0.0:
        return trailing
    return max(stop, trailing) if side > 0.0 else min(stop, trailing)


def target_level(lane: Record, side: float) -> float:
    """The take-profit price; 0 where none is set."""
    ratio = lane["take_profit_ratio"]
    return lane["entry_price"] * (1.0 + side * ratio) if ratio > 0.0 else 0.0


def set_calm(lane: Record) -> None:
    """Bounds within which a price needs no look at the exits; none while a target waits for the rest of its bar."""
    lane["calm_low"] = -math.inf
    lane["calm_high"] = math.inf
    if lane["position"] == 0.0:
        return
    if lane["deferred"] == 1:
        lane["calm_low"] = math.inf
        return
    side = 1.0 if lane["position"] > 0.0 else -1.0
    stop = stop_level(lane, side)
    better = target_level(lane, side)
    if lane["trailing_ratio"] > 0.0 and (better == 0.0 or (better - lane["best_price"]) * side > 0.0):
        better = lane["best_price"]
    low = stop if side > 0.0 else better
    high = better if side > 0.0 else stop
    lane["calm_low"] = low if low > 0.0 else -math.inf
    lane["calm_high"] = high if high > 0.0 else math.inf
