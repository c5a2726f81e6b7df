"""Measures a finished session: every metric of the table, each a number or a reason."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from engine.research.metrics.annualisation import Annualisation, annualisation_for
from engine.research.metrics.equity import Curve
from engine.research.metrics.session_result import SessionResult, Undefined
from engine.research.metrics.table import METRICS, Metric
from events.rows import Rows


class Measurement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Value of one metric; `value` is None where it is not defined, and `reason` then says why. A count is an int."""

    name: str
    group: str
    unit: str
    value: float | None
    reason: str = ""

    def __post_init__(self) -> None:
        """JSON says 61 of a count, never 61.0, of results that were written with 61.0 too."""
        if self.unit == "count" and self.value is not None:
            msgspec.structs.force_setattr(self, "value", int(self.value))


class Measurements(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All metrics of one session, in the order of the table, and how they were annualised."""

    metrics: tuple[Measurement, ...]
    annualisation: Annualisation
    returns: int  # number of period returns

    def value(self, name: str) -> float | None:
        """Value of one metric.

        Raises:
            KeyError: no such metric.
        """
        for metric in self.metrics:
            if metric.name == name:
                return metric.value
        raise KeyError(name)

    def by_group(self) -> dict[str, dict[str, float | None]]:
        """group -> name -> value: the nesting of the documented result body."""
        groups: dict[str, dict[str, float | None]] = {}
        for metric in self.metrics:
            groups.setdefault(metric.group, {})[metric.name] = metric.value
        return groups


def measure(curve: Curve, trades: Rows, annualisation: Annualisation | None = None) -> Measurements:
    """Compute every metric.

    Args:
        curve: equity over time, begun with the capital.
        trades: TRADE_DTYPE[n].
        annualisation: period and periods per year; `annualisation_for` the curve's span where absent.

    Raises:
        InvalidInput: over `PERIODS_MAX` periods.
    """
    chosen = annualisation or annualisation_for(curve.span_ns)
    result = SessionResult(curve, trades, chosen)
    with np.errstate(all="ignore"):  # what is not finite is caught metric by metric
        metrics = tuple(_measurement(metric, result) for metric in METRICS)
    return Measurements(metrics, chosen, result.returns_count)


def _measurement(metric: Metric, result: SessionResult) -> Measurement:
    value = metric.function(result)
    if isinstance(value, Undefined):
        return Measurement(metric.name, metric.group, metric.unit, None, value.reason)
    if not math.isfinite(value):
        return Measurement(metric.name, metric.group, metric.unit, None, "it is beyond what a number holds")
    return Measurement(metric.name, metric.group, metric.unit, float(value))
