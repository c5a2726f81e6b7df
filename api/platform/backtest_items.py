"""Backtests as contract 001 words them: of jobs of the kind `backtest`, those of other contracts included."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.reading.wording import instant
from api.services.backtests import account_of
from api.services.job_results import asked_of, result_of, unreadable
from api.services.nothing_traded import reasons_of
from engine.jobs.backtest import BacktestBody, BacktestResult
from events.errors import Undecodable
from projections.read_models.jobs import JobRow

SUCCESS, FAILED = "success", "failed"
STATUSES = {"completed": SUCCESS, "failed": FAILED, "stopped": FAILED}

Figure = Annotated[float | None, Meta(description="null where it is not defined; `reasons` says why")]


Currency = Annotated[str | UnsetType, Meta(description="of all money here: the symbol's quote currency")]
FeesPaid = Annotated[float | UnsetType, Meta(description="of all trades, open ones included, in `currency`")]
Denials = Annotated[dict[str, int] | UnsetType, Meta(description="orders that were denied, by code")]


class FeeRatios(msgspec.Struct, frozen=True):
    """What each fill pays, as a share of its notional: the instrument's, as it was when this was asked for."""

    maker: float
    taker: float


class Performance(msgspec.Struct, frozen=True):
    """Of the account. Shares of one; ratios as documented under docs/metrics.md."""

    total_return: Figure
    sharpe_ratio: Figure
    max_drawdown: Figure
    win_rate: Figure


class WholePerformance(Performance, frozen=True):
    """Of the account, all of it."""

    sortino_ratio: Figure
    calmar_ratio: Figure


class Trading(msgspec.Struct, frozen=True):
    """Of the trades that ended. Money in `currency`, after fees."""

    total_trades: int | None
    winning_trades: int | None
    losing_trades: int | None
    avg_win: Figure
    avg_loss: Figure


class WholeTrading(Trading, frozen=True):
    """Of the trades that ended, all of it."""

    avg_trade_duration: Annotated[float | None, Meta(description="seconds")]
    profit_factor: Figure


class BacktestItem(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest in the list: its figures, or the `error` of a failed one."""

    id: str
    status: Annotated[str, Meta(description="success or failed")]
    strategy: str
    symbol: str
    start_date: str | None
    end_date: str | None
    created_at: str | None
    performance: Performance | UnsetType = UNSET
    trading: Trading | UnsetType = UNSET
    reasons: dict[str, str] | UnsetType = UNSET
    data_start: Annotated[str | UnsetType | None, Meta(description="time of the first row that was read")] = UNSET
    data_end: str | UnsetType | None = UNSET
    currency: Currency = UNSET
    fees_paid: FeesPaid = UNSET
    denials: Denials = UNSET
    error: str | UnsetType = UNSET


class BacktestWhole(msgspec.Struct, frozen=True, kw_only=True):
    """One backtest. One that waits or runs has its `progress`, one that is over its figures or its `error`."""

    id: str
    status: Annotated[str, Meta(description="queued, running, success or failed")]
    strategy: str
    symbol: str
    start_date: str | None
    end_date: str | None
    created_at: str | None
    initial_capital: float
    params: Annotated[
        dict[str, float | int | bool | str],
        Meta(
            description="of the strategy, its timeframe too; of a configured one as it was when this was asked for; "
            "and of the account, where it asked for any"
        ),
    ]
    recording: str | UnsetType = UNSET
    progress: float
    description: str
    performance: WholePerformance | UnsetType = UNSET
    trading: WholeTrading | UnsetType = UNSET
    reasons: dict[str, str] | UnsetType = UNSET
    final_equity: float | UnsetType = UNSET
    rows: int | UnsetType = UNSET
    data_start: Annotated[str | UnsetType | None, Meta(description="time of the first row that was read")] = UNSET
    data_end: str | UnsetType | None = UNSET
    session: Annotated[str | UnsetType, Meta(description="its session: everything it decided")] = UNSET
    decision_hash: str | UnsetType = UNSET
    currency: Currency = UNSET
    fees_paid: FeesPaid = UNSET
    fees: Annotated[FeeRatios | UnsetType, Meta(description="absent where its instruments have unlike fees")] = UNSET
    denials: Denials = UNSET
    error: str | UnsetType = UNSET


# the contract's name of a figure -> the metric's
PERFORMANCE = ("total_return", "sharpe_ratio", "max_drawdown", "win_rate")
WHOLE_PERFORMANCE = (*PERFORMANCE, "sortino_ratio", "calmar_ratio")
TRADING = ("total_trades", "winning_trades", "losing_trades", "avg_winner", "avg_loser")
WHOLE_TRADING = (*TRADING, "avg_trade_duration", "profit_factor")
CONTRACT_NAMES = {"avg_winner": "avg_win", "avg_loser": "avg_loss"}


def item(row: JobRow) -> BacktestItem:
    """A backtest that is over; one that this version cannot read is told as such, and does not hide the others."""
    try:
        return _item(row)
    except Undecodable as error:
        return BacktestItem(
            id=row.job,
            status=FAILED,
            strategy="",
            symbol="",
            start_date=None,
            end_date=None,
            created_at=instant(row.queued_ns),
            error=unreadable(row, error),
        )


def _item(row: JobRow) -> BacktestItem:
    result = _result(row)
    common = _common(row, asked_of(row, BacktestBody), result)
    if result is None:
        return BacktestItem(**common, status=FAILED, error=_error(row))
    return BacktestItem(
        **common,
        status=SUCCESS,
        data_start=instant(result.first_ns),
        data_end=instant(result.last_ns),
        performance=Performance(*_values(result, PERFORMANCE)),
        trading=Trading(*_values(result, TRADING)),
        reasons=_reasons(result, (*PERFORMANCE, *TRADING)),
        denials=result.denials,
        **_money(result),
    )


def whole(row: JobRow) -> BacktestWhole:
    """One backtest, wherever it is in its life. Raises Undecodable."""
    body, result = asked_of(row, BacktestBody), _result(row)
    common = {
        **_common(row, body, result),
        "status": STATUSES.get(row.state, row.state),
        "initial_capital": body.wish.limits.cash,
        "params": _params(body),
        "recording": body.wish.recording or UNSET,
        "progress": row.ratio,
        "description": row.description,
    }
    if result is None:
        return BacktestWhole(**common, error=_error(row) if row.state in STATUSES else UNSET)
    return BacktestWhole(
        **common,
        performance=WholePerformance(*_values(result, WHOLE_PERFORMANCE)),
        trading=WholeTrading(*_values(result, WHOLE_TRADING)),
        reasons=_reasons(result, (*WHOLE_PERFORMANCE, *WHOLE_TRADING)),
        final_equity=result.equity,
        rows=result.rows,
        data_start=instant(result.first_ns),
        data_end=instant(result.last_ns),
        session=result.session,
        decision_hash=result.decision_hash,
        denials=result.denials,
        fees=_fees(result),
        **_money(result),
    )


def _money(result: BacktestResult) -> dict[str, Any]:
    paid = _values(result, ("fees_paid",))[0]
    return {"currency": result.currency or UNSET, "fees_paid": UNSET if paid is None else paid}


def _fees(result: BacktestResult) -> FeeRatios | UnsetType:
    if result.maker_fee_ratio is None or result.taker_fee_ratio is None:
        return UNSET
    return FeeRatios(result.maker_fee_ratio, result.taker_fee_ratio)


def _params(body: BacktestBody) -> dict[str, Any]:
    """What its strategy runs with, its timeframe where it has one, and what was asked of the account."""
    found: dict[str, Any] = {}
    for one in body.wish.strategies:
        found |= one.params
        found |= {"timeframe": one.timeframe} if one.timeframe else {}
    return found | account_of(body.wish.limits)


def _result(row: JobRow) -> BacktestResult | None:
    return result_of(row, BacktestResult) if row.result is not None else None


def _common(row: JobRow, body: BacktestBody, result: BacktestResult | None) -> dict[str, Any]:
    symbols = (body.symbol,) if body.symbol else body.wish.symbols
    first = body.span.first_ns if body.span.first_ns is not None else result.first_ns if result else 0
    until = body.span.until_ns if body.span.until_ns is not None else result.last_ns if result else 0
    return {
        "id": row.job,
        "strategy": ", ".join(one.configured or one.strategy for one in body.wish.strategies),
        "symbol": ", ".join(symbols or (result.symbols if result else ())),
        "start_date": instant(first),
        "end_date": instant(until),
        "created_at": instant(row.queued_ns),
    }


def _error(row: JobRow) -> str:
    return row.error_message or "It was stopped."


def _values(result: BacktestResult, names: tuple[str, ...]) -> list[Any]:
    measured = {one.name: one.value for one in result.measurements.metrics}
    return [measured.get(name) for name in names]


def _reasons(result: BacktestResult, names: tuple[str, ...]) -> dict[str, str]:
    return {CONTRACT_NAMES.get(name, name): reason for name, reason in reasons_of(result).items() if name in names}
