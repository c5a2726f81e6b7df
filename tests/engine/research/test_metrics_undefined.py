"""What a metric is where its formula has no answer, and how the curve is cut."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.research.metrics.annualisation import DAY_NS, HOUR_NS, MINUTE_NS, Annualisation, annualisation_for
from engine.research.metrics.display import described, shown
from engine.research.metrics.equity import PERIODS_MAX, Curve, by_period, curve_from_marks, drawdowns_of
from engine.research.metrics.measure import Measurements, measure
from engine.research.metrics.table import METRICS
from engine.research.metrics.trades import TRADE_DTYPE
from events.errors import InvalidInput
from events.rows import MARK_DTYPE
from tests.engine.research.sessions import START_NS, curve_of

NO_TRADES = np.zeros(0, TRADE_DTYPE)


def reasons(measured: Measurements) -> dict[str, str]:
    """The metrics without a value, and why."""
    return {metric.name: metric.reason for metric in measured.metrics if metric.value is None}


@pytest.mark.parametrize("growth", [0.0, 0.001, 1e-9, -0.0003])
def test_a_constant_series_has_no_sharpe(growth: float) -> None:
    """Constant returns have no Sharpe ratio: no value and a reason, not 8.7e16."""
    missing = reasons(measure(curve_of(np.full(200, growth)), NO_TRADES))
    for name in ("sharpe_ratio", "skewness", "kurtosis"):
        assert missing[name] == "the returns are constant"


def test_a_rising_series_has_no_sortino_calmar_or_omega() -> None:
    """Without any loss there is nothing to divide by, and the reason says so."""
    noise = np.random.Generator(np.random.Philox(key=1))
    missing = reasons(measure(curve_of(noise.uniform(0.001, 0.01, 100)), NO_TRADES))
    assert missing["sortino_ratio"] == missing["omega_ratio"] == "no return is negative"
    assert missing["calmar_ratio"] == "equity never fell below its peak"


def test_a_session_without_trades_has_no_win_rate() -> None:
    """No trade: counts are zero, means and ratios have a reason."""
    measured = measure(curve_of(np.zeros(100)), NO_TRADES)
    missing = reasons(measured)
    assert measured.value("total_trades") == 0.0
    assert measured.value("exposure") == 0.0
    for name in ("win_rate", "profit_factor", "avg_trade", "avg_trade_duration", "avg_mae"):
        assert missing[name] == "no trade ended"
    assert missing["avg_winner"] == missing["largest_winner"] == "no trade won"


@pytest.mark.parametrize("points", [1, 2])
def test_one_mark_or_none_still_gives_the_sums(points: int) -> None:
    """A session that ended at once has its return and drawdown, and no ratio."""
    curve = Curve(np.full(points, START_NS), np.array([100.0, 90.0])[:points])
    measured = measure(curve, NO_TRADES)
    assert measured.value("total_return") == pytest.approx(-0.1 * (points - 1))
    assert measured.value("max_drawdown") == pytest.approx(-0.1 * (points - 1))
    assert "it needs 2" in reasons(measured)["sharpe_ratio"]


def test_yearly_growth_of_an_hour_is_not_given() -> None:
    """A gain of 1 % in an hour is not 7e37 a year."""
    curve = curve_of(np.full(60, 0.01 / 60), period_ns=MINUTE_NS)
    missing = reasons(measure(curve, NO_TRADES))
    for name in ("cagr", "annualized_return", "calmar_ratio"):
        assert "yearly growth is given from 7 days on" in missing[name]
    assert measure(curve, NO_TRADES).value("volatility") is not None


def test_growth_beyond_a_number_is_not_infinite() -> None:
    """Where a yearly growth overflows it is missing with a reason."""
    curve = Curve(np.array([START_NS, START_NS + HOUR_NS]), np.array([1.0, 1e300]))
    missing = reasons(measure(curve, NO_TRADES, Annualisation(span_days_min=0.0)))
    assert "beyond what a number holds" in missing["cagr"]


@pytest.mark.parametrize("last", [0.0, -50.0])
def test_a_ruined_account_has_a_drawdown_and_no_ratios(last: float) -> None:
    """Equity at or below zero: the loss is told, ratios of it are not."""
    curve = Curve(START_NS + np.arange(3) * DAY_NS, np.array([100.0, 120.0, last]))
    measured = measure(curve, NO_TRADES)
    assert measured.value("total_return") == pytest.approx(last / 100.0 - 1.0)
    assert measured.value("max_drawdown") == pytest.approx(last / 120.0 - 1.0)
    assert reasons(measured)["sharpe_ratio"] == "equity fell to zero or below"


def test_a_drawdown_from_the_first_moment_counts() -> None:
    """A loss before the first profit is measured from the capital."""
    marks = np.zeros(3, MARK_DTYPE)
    marks["ts_event_ns"] = START_NS + np.arange(3) * HOUR_NS
    marks["equity"] = [80.0, 70.0, 90.0]
    curve = curve_from_marks(marks, 100.0)
    assert drawdowns_of(curve).tolist() == pytest.approx([0.0, -0.2, -0.3, -0.1])
    measured = measure(curve, NO_TRADES, Annualisation(period_ns=HOUR_NS))
    assert measured.value("max_drawdown") == pytest.approx(-0.3)
    assert measured.value("max_drawdown_duration") == 2.0


def test_longest_drawdown_is_the_longest_not_the_deepest() -> None:
    """From peak to recovery, the longest counts, be it shallow; one that never recovers lasts to the end."""
    equity = np.array([100.0, 50.0, 101.0, 100.0, 100.5, 100.5, 102.0, 103.0, 102.0])
    curve = Curve(START_NS + np.arange(9) * DAY_NS, equity)
    assert measure(curve, NO_TRADES, Annualisation()).value("max_drawdown_duration") == 4.0
    rising = Curve(curve.ts_ns, np.arange(1.0, 10.0))
    assert measure(rising, NO_TRADES, Annualisation()).value("max_drawdown_duration") == 0.0
    falling = Curve(curve.ts_ns, np.arange(9.0, 0.0, -1.0))
    assert measure(falling, NO_TRADES, Annualisation()).value("max_drawdown_duration") == 8.0


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=1, max_size=12))
def test_longest_drawdown_is_its_naive_twin(equity: list[float]) -> None:
    """Walking the curve point by point gives the same duration."""
    curve = Curve(START_NS + np.arange(len(equity)) * DAY_NS, np.array(equity))
    peak, since, longest = equity[0], 0, 0
    for index, value in enumerate(equity):
        if value < peak:
            back = index + 1 < len(equity) and equity[index + 1] >= peak
            longest = max(longest, index - since + (1 if back else 0))
        else:
            peak, since = value, index
    assert measure(curve, NO_TRADES, Annualisation()).value("max_drawdown_duration") == longest


def test_periods_hold_the_last_mark_and_fill_the_quiet_ones() -> None:
    """A day without a mark has a return of 0 in a market that never closes, and none in one that was closed."""
    ts_ns = START_NS + np.array([0, 5 * HOUR_NS, 23 * HOUR_NS, 3 * DAY_NS + HOUR_NS])
    curve = Curve(ts_ns, np.array([100.0, 90.0, 110.0, 121.0]))
    assert by_period(curve, Annualisation()).equity.tolist() == [100.0, 110.0, 110.0, 110.0, 121.0]
    assert by_period(curve, Annualisation(quiet="skip")).equity.tolist() == [100.0, 110.0, 121.0]


@settings(max_examples=60)
@given(waits=st.lists(st.integers(0, 3 * HOUR_NS), min_size=1, max_size=40))
def test_periods_are_their_naive_twin(waits: list[int]) -> None:
    """Each period ends with the newest mark at its end."""
    ts_ns = START_NS + np.cumsum(waits)
    curve = Curve(ts_ns, np.arange(1.0, ts_ns.size + 1))
    got = by_period(curve, Annualisation(period_ns=HOUR_NS)).equity.tolist()
    first, last = int(ts_ns[0]) // HOUR_NS, int(ts_ns[-1]) // HOUR_NS
    want = [float(curve.equity[ts_ns < (hour + 1) * HOUR_NS][-1]) for hour in range(first, last + 1)]
    assert got == [1.0, *want]


def test_too_many_periods_are_refused() -> None:
    """A period far too short for the span says so instead of filling the memory."""
    curve = Curve(np.array([0, (PERIODS_MAX + 1) * 10]), np.array([1.0, 1.0]))
    with pytest.raises(InvalidInput, match="Choose a longer period"):
        by_period(curve, Annualisation(period_ns=10))


@pytest.mark.parametrize(
    ("ts_ns", "equity"),
    [([], []), ([1], [1.0, 2.0]), ([2, 1], [1.0, 1.0]), ([1, 2], [1.0, math.nan]), ([1], [math.inf])],
)
def test_a_broken_curve_is_refused(ts_ns: list[int], equity: list[float]) -> None:
    """No points, unequal lengths, time running backward and values that are no numbers are named."""
    with pytest.raises(InvalidInput):
        Curve(np.array(ts_ns, np.int64), np.array(equity))


@pytest.mark.parametrize(
    ("span_ns", "period", "per_year"),
    [(HOUR_NS, "1 min", 525_600), (2 * DAY_NS, "1 h", 8_760), (30 * DAY_NS, "1 d", 365)],
)
def test_the_period_fits_the_length_of_the_session(span_ns: int, period: str, per_year: int) -> None:
    """Hours of a session are cut into minutes, months into days."""
    chosen = annualisation_for(span_ns)
    assert (chosen.period, chosen.periods_per_year) == (period, per_year)


@pytest.mark.parametrize(
    ("span_ns", "per_year"), [(HOUR_NS, 252 * 6.5 * 60), (2 * DAY_NS, 252 * 6.5), (30 * DAY_NS, 252)]
)
def test_shares_have_the_days_of_their_exchange(span_ns: int, per_year: float) -> None:
    """A year of shares alone has 252 days, closed ones left out; beside a market that never closes it has 365."""
    chosen = annualisation_for(span_ns, ["equity", "etf"])
    assert (chosen.periods_per_year, chosen.quiet) == (per_year, "skip")
    assert annualisation_for(span_ns, ["equity", "crypto"]) == annualisation_for(span_ns)
    assert annualisation_for(span_ns, [""]).quiet == "hold"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=60), st.integers(0, 2 * DAY_NS))
def test_any_curve_gives_numbers_or_reasons(equity: list[float], step_ns: int) -> None:
    """No curve whatever makes a metric NaN, infinite or an error."""
    curve = Curve(START_NS + np.arange(len(equity)) * step_ns, np.array(equity))
    for metric in measure(curve, NO_TRADES).metrics:
        assert (metric.value is None) == bool(metric.reason)
        assert metric.value is None or math.isfinite(metric.value)
        assert described(metric)


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("share", -0.0823, "-8.23 %"),
        ("quote", 12345.678, "12,345.68"),
        ("quote", 0.0000012, "1.2e-06"),
        ("count", 156.0, "156"),
        ("periods", 2.5, "2.5 periods"),
        ("ratio", 1.8549, "1.85"),
        ("seconds", 9000.0, "2.5 h"),
        ("seconds", 0.25, "0.25 s"),
        ("ratio", None, "–"),
    ],
)
def test_values_are_worded_for_people(unit: str, value: float | None, text: str) -> None:
    """Percent, thousands, durations and a dash."""
    assert shown(unit, value) == text


def test_the_documented_result_body_is_complete() -> None:
    """Every metric that contract 002 documents has its row, in its group."""
    documented = {
        "returns": ["totalReturn", "annualizedReturn", "cagr"],
        "risk": ["volatility", "downsideVolatility", "maxDrawdown", "maxDrawdownDuration", "var95", "cvar95"],
        "risk_adjusted": ["sharpeRatio", "sortinoRatio", "calmarRatio", "omegaRatio"],
        "trade": [
            *("totalTrades", "winningTrades", "losingTrades", "winRate", "profitFactor", "avgTrade"),
            *("avgWinner", "avgLoser", "largestWinner", "largestLoser"),
        ],
        "distribution": ["skewness", "kurtosis", "tailRatio"],
    }
    got: dict[str, list[str]] = {}
    for metric in METRICS:
        if metric.contract:
            head, *tail = metric.name.split("_")
            got.setdefault(metric.group, []).append(head + "".join(word.capitalize() for word in tail))
    assert got == documented
