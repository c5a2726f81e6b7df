"""How a metric is worded for people: in tables of the command line and in reports."""

from __future__ import annotations

from engine.research.metrics.measure import Measurement

NOTHING = "–"

_STEPS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def shown(unit: str, value: float | None) -> str:
    """The value in words: percent, thousands separators, durations; a dash where there is none."""
    if value is None:
        return NOTHING
    if unit == "share":
        return f"{100 * value:,.2f} %"
    if unit == "quote":
        return f"{value:,.2f}" if abs(value) >= 0.01 or value == 0 else f"{value:.4g}"
    if unit in ("count", "periods"):
        number = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
        return number if unit == "count" else f"{number} periods"
    if unit == "seconds":
        return duration(value)
    return f"{value:,.2f}"


def duration(seconds: float) -> str:
    """Such as "2.5 h"."""
    for length, word in _STEPS:
        if seconds >= length:
            return f"{seconds / length:,.1f} {word}"
    return f"{seconds:.3g} s"


def described(measurement: Measurement) -> str:
    """The value, or the reason why there is none."""
    return shown(measurement.unit, measurement.value) if measurement.value is not None else measurement.reason
