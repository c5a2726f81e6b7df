"""Chance inside the loop: a counter-based generator, so a number depends on what it is for and on nothing before it.

splitmix64 (Steele, Lea, Flood 2014) over the session's seed, the order number and the purpose.
"""

from __future__ import annotations

import numpy as np

LATENCY = 1
SLIPPAGE = 2


def mixed(value: np.uint64) -> np.uint64:
    """The finaliser of splitmix64."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def chance(seed: np.uint64, order: int, purpose: int) -> float:
    """A number in [0, 1) for one purpose of one order: the upper 53 bits of three rounds."""
    step = np.uint64(0x9E3779B97F4A7C15)
    value = mixed(np.uint64(seed) + step)
    value = mixed(value + np.uint64(order) * step)
    value = mixed(value + np.uint64(purpose) * step)
    return float(value >> np.uint64(11)) * (1.0 / 9007199254740992.0)
