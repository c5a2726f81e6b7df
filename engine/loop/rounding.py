"""Rounding to an instrument's steps. A step of 0 rounds nothing; NEAR keeps 0.3 at three steps of 0.1."""

from __future__ import annotations

import math

NEAR = 1e-9


def floor_step(value: float, step: float) -> float:
    """Down to a multiple of `step`."""
    return math.floor(value / step + NEAR) * step if step > 0.0 else value


def ceil_step(value: float, step: float) -> float:
    """Up to a multiple of `step`."""
    return math.ceil(value / step - NEAR) * step if step > 0.0 else value


def nearest_step(value: float, step: float) -> float:
    """To the nearest multiple of `step`, halves up."""
    return math.floor(value / step + 0.5) * step if step > 0.0 else value


def dust(step: float, quantity: float) -> float:
    """What is less than this is nothing: half a step, or a billionth of the quantity at hand."""
    return step * 0.5 if step > 0.0 else abs(quantity) * 1e-9
