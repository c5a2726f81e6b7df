"""Why figures of a backtest are not defined, in words; where its orders were all denied, with their codes."""

from __future__ import annotations

from engine.jobs.backtest import BacktestResult
from events.rows import Code

# What a user can do about a denial of a whole run; each code of a denial has one.
ADVICE: dict[Code, str] = {
    Code.BUDGET_EXCEEDED: "an order is larger than the capital",
    Code.ALLOCATION_EXCEEDED: "an order is larger than the allocation",
    Code.MAX_POSITION_EXCEEDED: "an order is larger than a position may be",
    Code.BELOW_MINIMUM: "an order is smaller than the instrument's quantity step or least notional: give more capital "
    "or a larger size of an entry",
    Code.NO_PRICE: "no price of the instrument was known",
    Code.DIRECTION_NOT_ALLOWED: "the side may not be traded",
    Code.ORDERS_LIMIT: "too many orders worked already",
    Code.NOT_A_NUMBER: "a price or quantity was no finite number",
    Code.HALTED: "the lane was halted",
    Code.NO_POSITION: "there was no position to reduce",
    Code.MARGIN_EXCEEDED: "an order needs more than the leverage times the equity",
    Code.DAILY_LOSS_REACHED: "the day had lost what it may lose",
}


def reasons_of(result: BacktestResult) -> dict[str, str]:
    """Why a metric has no value, by the metric's name."""
    told = why_nothing_traded(result)
    return {
        one.name: f"{one.reason}: {told}" if told else one.reason
        for one in result.measurements.metrics
        if one.value is None
    }


def why_nothing_traded(result: BacktestResult) -> str:
    """Which denials left a run without any trade; "" where it traded, or nothing was denied."""
    values = {one.name: one.value for one in result.measurements.metrics}
    if not result.denials or values.get("total_trades") != 0 or values.get("open_trades") != 0:
        return ""
    told = [f"{count} denied {code} ({ADVICE[Code[code]]})" for code, count in result.denials.items()]
    return f"no order was filled, {', '.join(told)}"
