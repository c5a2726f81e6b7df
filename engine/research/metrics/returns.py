"""How much the capital grew."""

from __future__ import annotations

from engine.research.metrics.annualisation import CRYPTO_DAYS
from engine.research.metrics.session_result import SessionResult, Undefined, Value


def final_equity(result: SessionResult) -> Value:
    """Equity at the last point."""
    return result.final


def net_profit(result: SessionResult) -> Value:
    """Final equity less the capital at the start."""
    return result.final - result.initial


def total_return(result: SessionResult) -> Value:
    """Net profit as a share of the capital."""
    if result.initial <= 0.0:
        return Undefined("the session began without capital")
    return result.final / result.initial - 1.0


def _too_short(result: SessionResult) -> Undefined | None:
    """Growth over hours, raised to the power of a year, is a number without meaning."""
    span, shortest = result.span_days, result.annualisation.span_days_min
    if span < shortest:
        return Undefined(f"the session spans {span:.2f} days; yearly growth is given from {shortest:g} days on")
    return result.ruined()


def _growth(ratio: float, exponent: float) -> Value:
    try:
        return ratio**exponent - 1.0
    except OverflowError:
        return Undefined("the yearly growth is beyond what a number holds")


def annualized_return(result: SessionResult) -> Value:
    """Yearly growth by the number of periods."""
    reason = _too_short(result) or result.too_few_returns(1)
    if reason:
        return reason
    return _growth(result.final / result.initial, result.annualisation.periods_per_year / result.returns_count)


def cagr(result: SessionResult) -> Value:
    """Yearly growth by the calendar."""
    reason = _too_short(result)
    if reason:
        return reason
    if result.span_days <= 0.0:
        return Undefined("the session spans no time")
    return _growth(result.final / result.initial, CRYPTO_DAYS / result.span_days)
