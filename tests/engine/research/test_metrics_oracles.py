"""Metrics of returns against empyrical-reloaded and quantstats, which define them the same."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.research.metrics.annualisation import CRYPTO_DAYS, EQUITY_DAYS, Annualisation
from engine.research.metrics.measure import measure
from engine.research.metrics.trades import TRADE_DTYPE
from tests.engine.research.sessions import curve_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of their imports
    import empyrical
    import quantstats.stats as quantstats

NO_TRADES = np.zeros(0, TRADE_DTYPE)


def series(returns: np.ndarray) -> pd.Series:
    """Daily returns from 2024 on."""
    return pd.Series(returns, pd.date_range("2024-01-01", periods=returns.size))


def seeded(seed: int, size: int = 400) -> np.ndarray:
    """Returns with fat tails and a small drift."""
    noise = np.random.Generator(np.random.Philox(key=seed))
    return 0.0008 + 0.012 * noise.standard_t(4, size)


EMPYRICAL: dict[str, Callable[[np.ndarray, float], float]] = {
    "total_return": lambda returns, year: empyrical.cum_returns_final(returns),
    "annualized_return": lambda returns, year: empyrical.annual_return(returns, annualization=year),
    "volatility": lambda returns, year: empyrical.annual_volatility(returns, annualization=year),
    "downside_volatility": lambda returns, year: empyrical.downside_risk(returns, annualization=year),
    "max_drawdown": lambda returns, year: empyrical.max_drawdown(returns),
    "var95": lambda returns, year: empyrical.value_at_risk(returns, 0.05),
    "cvar95": lambda returns, year: empyrical.conditional_value_at_risk(returns, 0.05),
    "sharpe_ratio": lambda returns, year: empyrical.sharpe_ratio(returns, annualization=year),
    "sortino_ratio": lambda returns, year: empyrical.sortino_ratio(returns, annualization=year),
    "calmar_ratio": lambda returns, year: empyrical.calmar_ratio(returns, annualization=year),
    "omega_ratio": lambda returns, year: empyrical.omega_ratio(returns, annualization=year),
    "tail_ratio": lambda returns, year: empyrical.tail_ratio(returns),
}

QUANTSTATS: dict[str, Callable[[pd.Series, float], Any]] = {
    "total_return": lambda returns, year: quantstats.comp(returns),
    "annualized_return": lambda returns, year: quantstats.cagr(returns, periods=year),
    "volatility": lambda returns, year: quantstats.volatility(returns, periods=year),
    "max_drawdown": lambda returns, year: quantstats.max_drawdown(returns),
    "sharpe_ratio": lambda returns, year: quantstats.sharpe(returns, periods=year),
    "sortino_ratio": lambda returns, year: quantstats.sortino(returns, periods=year),
    "calmar_ratio": lambda returns, year: quantstats.calmar(returns, periods=year),
    "omega_ratio": lambda returns, year: quantstats.omega(returns, periods=year),
    "tail_ratio": lambda returns, year: quantstats.tail_ratio(returns),
    "skewness": lambda returns, year: quantstats.skew(returns),
    "kurtosis": lambda returns, year: quantstats.kurtosis(returns),
}


@pytest.mark.parametrize("year", [CRYPTO_DAYS, EQUITY_DAYS])
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", EMPYRICAL)
def test_as_empyrical_has_it(name: str, seed: int, year: float) -> None:
    """The number is the one empyrical-reloaded gives for the same returns and year."""
    returns = seeded(seed)
    got = measure(curve_of(returns), NO_TRADES, Annualisation(periods_per_year=year)).value(name)
    assert got == pytest.approx(EMPYRICAL[name](returns, year), rel=1e-10)


@pytest.mark.parametrize("year", [CRYPTO_DAYS, EQUITY_DAYS])
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", QUANTSTATS)
def test_as_quantstats_has_it(name: str, seed: int, year: float) -> None:
    """The number is the one quantstats gives for the same returns and year."""
    returns = seeded(seed)
    got = measure(curve_of(returns), NO_TRADES, Annualisation(periods_per_year=year)).value(name)
    assert got == pytest.approx(float(QUANTSTATS[name](series(returns), year)), rel=1e-10)


def test_cagr_on_the_calendar_is_the_annualised_return_of_daily_periods() -> None:
    """For a market open on every day both definitions of yearly growth agree."""
    measured = measure(curve_of(seeded(5, 365)), NO_TRADES)
    assert measured.value("cagr") == pytest.approx(measured.value("annualized_return"), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    returns=st.lists(st.floats(-0.5, 1.0).filter(lambda value: value == 0.0 or abs(value) > 1e-6), min_size=20),
    year=st.sampled_from([CRYPTO_DAYS, EQUITY_DAYS]),
)
def test_whatever_empyrical_defines_we_give_the_same(returns: list[float], year: float) -> None:
    """For any returns a number is either empyrical's, or missing with a reason; none is NaN or infinite."""
    values = np.array(returns)
    measured = measure(curve_of(values), NO_TRADES, Annualisation(periods_per_year=year))
    for metric in measured.metrics:
        if metric.value is None:
            assert metric.reason
            continue
        assert math.isfinite(metric.value)
        if metric.name in EMPYRICAL:
            with np.errstate(all="ignore"):
                want = EMPYRICAL[metric.name](values, year)
            assert metric.value == pytest.approx(float(want), rel=1e-6, abs=1e-9), metric.name
