"""Rounding to an instrument's steps. A step of 0 rounds nothing; NEAR keeps 0.3 at three steps of 0.1.

What comes out is the double that the decimal is read as: prices of orders are compared with prices of files.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

NEAR = 1e-9

Counted = TypeVar("Counted", float, NDArray[np.float64])


def in_steps(count: Counted, step: float) -> Counted:
    """So many steps: 6 of 0.1 are 0.6, and not 0.6000000000000001, where a whole number of steps is 1."""
    per_one = math.floor(1.0 / step + 0.5)
    if per_one >= 1.0 and abs(per_one * step - 1.0) < NEAR:
        return count / per_one
    return count * step


def floor_step(value: float, step: float) -> float:
    """Down to a multiple of `step`."""
    return in_steps(math.floor(value / step + NEAR), step) if step > 0.0 else value


def ceil_step(value: float, step: float) -> float:
    """Up to a multiple of `step`."""
    return in_steps(math.ceil(value / step - NEAR), step) if step > 0.0 else value


def nearest_step(value: float, step: float) -> float:
    """To the nearest multiple of `step`, halves up."""
    return in_steps(math.floor(value / step + 0.5), step) if step > 0.0 else value


def dust(step: float, quantity: float) -> float:
    """What is less than this is nothing: half a step, or a billionth of the quantity at hand."""
    return step * 0.5 if step > 0.0 else abs(quantity) * 1e-9
