"""The named metrics: one row each. `docs/metrics.md` and the report's tooltips are made of this table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.research.metrics import distribution, ratios, returns, risk, trading
from engine.research.metrics.session_result import SessionResult, Value

Unit = Literal["share", "ratio", "quote", "count", "seconds", "periods"]
Group = Literal["returns", "risk", "risk_adjusted", "trade", "distribution"]

UNITS: dict[Unit, str] = {
    "share": "a share of one; shown as percent",
    "ratio": "a pure number",
    "quote": "money, in the session's quote currency",
    "count": "a number of trades, whole",
    "seconds": "seconds of event time",
    "periods": "periods of the returns",
}

NOT_YEARLY = "no"
ROOT = "x sqrt(periods_per_year)"
POWER = "growth to the power of a year"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    `definition` is the formula over r (simple returns per period), n (their number), E (equity), p (profits after fees
    of the trades that ended); `source` the tool or text that defines it so; `contract` whether the documented backtest
    result body has it (under its name in camelCase), else it is an addition.
    """

    group: Group
    label: str
    unit: Unit
    function: Callable[[SessionResult], Value]
    definition: str
    source: str
    annualised: str = NOT_YEARLY
    contract: bool = True

    @property
    def name(self) -> str:
        """Its key everywhere: the name of its function."""
        return self.function.__name__


def _own(group: Group, label: str, unit: Unit, function: Callable[[SessionResult], Value], definition: str) -> Metric:
    return Metric(group, label, unit, function, definition, "Tapedeck", contract=False)


SHORT_SPANS = "not given for spans under span_days_min"

METRICS: tuple[Metric, ...] = (
    _own("returns", "Final equity", "quote", returns.final_equity, "E(end)"),
    _own("returns", "Net profit", "quote", returns.net_profit, "E(end) - E(start); open trades at their last price"),
    Metric("returns", "Total return", "share", returns.total_return, "E(end) / E(start) - 1", "empyrical"),
    Metric(
        "returns",
        "Annualised return",
        "share",
        returns.annualized_return,
        f"(E(end) / E(start)) ^ (periods_per_year / n) - 1; {SHORT_SPANS}",
        "empyrical annual_return",
        POWER,
    ),
    Metric(
        "returns",
        "CAGR",
        "share",
        returns.cagr,
        f"(E(end) / E(start)) ^ (365 / days) - 1, by the calendar; {SHORT_SPANS}",
        "empyrical cagr, quantstats cagr on daily returns",
        POWER,
    ),
    Metric("risk", "Volatility", "share", risk.volatility, "std(r), ddof 1", "empyrical annual_volatility", ROOT),
    Metric(
        "risk",
        "Downside volatility",
        "share",
        risk.downside_volatility,
        "sqrt(mean(min(r, 0)^2)) over all n",
        "empyrical downside_risk",
        ROOT,
    ),
    Metric(
        "risk",
        "Maximum drawdown",
        "share",
        risk.max_drawdown,
        "min(E / highest E so far - 1) over every mark, the capital at the start included",
        "empyrical max_drawdown, there by period",
    ),
    Metric(
        "risk",
        "Longest drawdown",
        "periods",
        risk.max_drawdown_duration,
        "longest time from a peak of E until E is back at it, or until the end, in periods",
        "quantstats drawdown_details, there in days",
    ),
    Metric(
        "risk",
        "VaR 95 %",
        "share",
        risk.var95,
        "5th percentile of r, interpolated; needs 20 returns",
        "empyrical value_at_risk (quantstats fits a normal distribution instead)",
    ),
    Metric(
        "risk",
        "CVaR 95 %",
        "share",
        risk.cvar95,
        "mean of the floor((n - 1) / 20) + 1 lowest r; needs 20 returns",
        "empyrical conditional_value_at_risk",
    ),
    _own(
        "risk",
        "Time in the market",
        "share",
        trading.exposure,
        "time with an open trade in any lane / time of the session",
    ),
    Metric(
        "risk_adjusted",
        "Sharpe ratio",
        "ratio",
        ratios.sharpe_ratio,
        "mean(r) / std(r), ddof 1, riskless rate 0",
        "empyrical, quantstats",
        ROOT,
    ),
    Metric(
        "risk_adjusted",
        "Sortino ratio",
        "ratio",
        ratios.sortino_ratio,
        "mean(r) / sqrt(mean(min(r, 0)^2)), target 0",
        "empyrical, quantstats",
        ROOT,
    ),
    Metric(
        "risk_adjusted",
        "Calmar ratio",
        "ratio",
        ratios.calmar_ratio,
        "annualised return / |maximum drawdown|",
        "empyrical, quantstats",
        POWER,
    ),
    Metric(
        "risk_adjusted",
        "Omega ratio",
        "ratio",
        ratios.omega_ratio,
        "sum(r > 0) / |sum(r < 0)|, threshold 0",
        "empyrical, quantstats",
    ),
    Metric("trade", "Trades", "count", trading.total_trades, "trades that ended", "contract 002"),
    _own("trade", "Open trades", "count", trading.open_trades, "trades that had not ended; in no other trade metric"),
    Metric("trade", "Winning trades", "count", trading.winning_trades, "count(p > 0)", "contract 002"),
    Metric("trade", "Losing trades", "count", trading.losing_trades, "count(p < 0)", "contract 002"),
    Metric("trade", "Win rate", "share", trading.win_rate, "count(p > 0) / trades", "contract 002"),
    Metric("trade", "Profit factor", "ratio", trading.profit_factor, "sum(p > 0) / |sum(p < 0)|", "contract 002"),
    _own("trade", "Payoff ratio", "ratio", trading.payoff_ratio, "mean(p > 0) / |mean(p < 0)|"),
    Metric("trade", "Average trade", "quote", trading.avg_trade, "mean(p)", "contract 002"),
    Metric("trade", "Average winner", "quote", trading.avg_winner, "mean(p > 0)", "contract 002"),
    Metric("trade", "Average loser", "quote", trading.avg_loser, "mean(p < 0)", "contract 002"),
    Metric("trade", "Largest winner", "quote", trading.largest_winner, "max(p > 0)", "contract 002"),
    Metric("trade", "Largest loser", "quote", trading.largest_loser, "min(p < 0)", "contract 002"),
    Metric(
        "trade",
        "Average duration",
        "seconds",
        trading.avg_trade_duration,
        "mean(exit time - entry time)",
        "contract 001",
        contract=False,
    ),
    _own(
        "trade",
        "Average MAE",
        "share",
        trading.avg_mae,
        "mean of the worst price while held (of the last prices of each second) / entry price - 1, <= 0",
    ),
    _own(
        "trade",
        "Average MFE",
        "share",
        trading.avg_mfe,
        "mean of the best price while held (of the last prices of each second) / entry price - 1, >= 0",
    ),
    _own("trade", "Fees", "quote", trading.fees_paid, "sum of the fees of all trades, open ones included"),
    Metric(
        "distribution",
        "Skewness",
        "ratio",
        distribution.skewness,
        "n / ((n-1)(n-2)) sum(z^3), z = (r - mean(r)) / std(r), ddof 1",
        "quantstats, pandas skew",
    ),
    Metric(
        "distribution",
        "Excess kurtosis",
        "ratio",
        distribution.kurtosis,
        "n(n+1) / ((n-1)(n-2)(n-3)) sum(z^4) - 3(n-1)^2 / ((n-2)(n-3))",
        "quantstats, pandas kurt",
    ),
    Metric(
        "distribution",
        "Tail ratio",
        "ratio",
        distribution.tail_ratio,
        "|95th percentile of r| / |5th percentile of r|; needs 20 returns",
        "empyrical, quantstats",
    ),
)

BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
