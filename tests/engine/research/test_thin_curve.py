"""A thinned curve has the Sharpe ratio of the whole one."""

from __future__ import annotations

import numpy as np
import pytest

from engine.research.metrics.annualisation import DAY_NS, HOUR_NS, MINUTE_NS
from engine.research.metrics.equity import curve_from_marks
from engine.research.metrics.measure import measure
from engine.research.outcome import usual_annualisation
from engine.research.thin_curve import NO_TRADES, ThinCurve
from events.rows import MARK_DTYPE, Rows
from tests.engine.loop.driving import spec_of

CASH = 1_000.0


def marks_of(span_ns: int, lowest: float = 0.0) -> Rows:
    """Marks at uneven times over a span."""
    chance = np.random.default_rng(5)
    rows = np.zeros(5_000, MARK_DTYPE)
    rows["ts_event_ns"] = 1_700_000_000_000_000_000 + np.sort(chance.integers(0, span_ns, len(rows)))
    rows["equity"] = CASH + np.cumsum(chance.normal(0.02, 1.0, len(rows)))
    if lowest:
        rows["equity"][2_000] = lowest
    return rows


@pytest.mark.parametrize("span_ns", [20 * MINUTE_NS, 47 * HOUR_NS, 29 * DAY_NS, 400 * DAY_NS])
@pytest.mark.parametrize("cut", [1, 7, 1_000, 5_000])
def test_however_it_is_cut_the_ratio_is_that_of_all_marks(span_ns: int, cut: int) -> None:
    """Minutes, hours and days: few points are kept, and the ratio is the same to the last digit."""
    marks, spec = marks_of(span_ns), spec_of()
    thin = ThinCurve(CASH)
    for at in range(0, len(marks), cut):
        thin.add(marks[at : at + cut])
    curve = curve_from_marks(marks, CASH)
    whole = measure(curve, NO_TRADES, usual_annualisation(curve, spec))
    assert thin.sharpe_ratio(spec) == whole.value("sharpe_ratio")
    assert thin.curve().ts_ns.size <= 2_882


def test_who_was_ruined_or_never_traded_has_no_ratio() -> None:
    """Also where the ruin lies within a period that ended well."""
    thin = ThinCurve(CASH)
    assert thin.sharpe_ratio(spec_of()) is None
    thin.add(marks_of(400 * DAY_NS, lowest=-1.0))
    assert thin.sharpe_ratio(spec_of()) is None
