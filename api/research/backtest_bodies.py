"""Backtests as contract 002 words them: summaries, the whole result, and comparisons."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.errors import camel
from api.reading.wording import instant, instant_of
from api.services.finished import Details, details_of
from api.services.job_results import asked_of, result_of, unreadable
from api.services.nothing_traded import reasons_of
from api.services.results import Figures
from engine.jobs.backtest import BacktestBody, BacktestResult
from engine.research.metrics.equity import drawdowns_of
from engine.research.metrics.measure import Measurements
from engine.research.montecarlo import MonteCarlo
from engine.research.pips import Units
from engine.research.report.downsample import downsample
from events.errors import Undecodable
from events.rows import Code, Rows
from projections.read_models.jobs import JobRow

POINTS_MAX = 1_000  # of the curves
TRADES_MAX = 5_000  # newest ones shown
LONG, SHORT = "long", "short"

Figure = Annotated[float | None, Meta(description="null where it is not defined")]
Metrics = Annotated[
    dict[str, dict[str, Figure]], Meta(description="by group: returns, risk, riskAdjusted, trade, distribution")
]
EXITS = {Code.TAKE_PROFIT: "tp_hit", Code.STOP_LOSS: "sl_hit", Code.TRAILING_STOP: "trailing_hit"}


class Summary(msgspec.Struct, frozen=True, rename="camel"):
    """The figures of a list. Shares of one; drawdowns are below 0."""

    total_return: Figure
    sharpe_ratio: Figure
    max_drawdown: Figure
    win_rate: Figure
    total_trades: int | None


class BacktestItem(msgspec.Struct, frozen=True, rename="camel"):
    """A backtest that is over."""

    result_id: str
    symbol: str
    timeframe: str
    summary: Summary
    completed_at: str
    error: Annotated[str | UnsetType, Meta(description="why its figures are null: this version cannot read them")] = (
        UNSET
    )


class Backtests(msgspec.Struct, frozen=True):
    """Backtests that are over, newest first."""

    results: list[BacktestItem]
    total: int


class TimeSeries(msgspec.Struct, frozen=True, rename="camel"):
    """Equity, its distance from its highest so far, and the times of both; extremes are kept where points are not."""

    equity_curve: list[float]
    drawdown_curve: list[float]
    timestamps: list[str]


class TradeItem(msgspec.Struct, frozen=True, rename="camel"):
    """A trade. `pnl` is after costs, `pnlPercent` its share of the initial balance, `size` in lots."""

    id: str
    entry_time: str
    exit_time: str
    direction: str
    entry_price: float
    exit_price: float
    size: float
    pnl: float
    pnl_percent: float
    status: Annotated[str, Meta(description="tp_hit, sl_hit, signal, open, ...")]


class FinalEquity(msgspec.Struct, frozen=True, rename="camel"):
    """Shares of the initial balance."""

    mean: float
    std: float
    median: float
    percentile5: float
    percentile95: float


class DeepestFalls(msgspec.Struct, frozen=True):
    """Below 0; nineteen of twenty simulations stay above `percentile95`."""

    mean: float
    percentile95: float


class MonteCarloItem(msgspec.Struct, frozen=True, rename="camel"):
    """Its trades, or blocks of its returns, drawn anew. Ruin is equity at `ruinRatio` of the balance or below at any
    time.
    """

    final_equity: FinalEquity
    max_drawdown: DeepestFalls
    probability_of_profit: float
    probability_of_ruin: float
    simulations: int
    ruin_ratio: float
    method: Annotated[str, Meta(description="trades or returns")]
    block_length: Annotated[int, Meta(description="returns in a block; 0 of trades")]
    steps: Annotated[int, Meta(description="trades, or returns, of a simulation")]
    compounding: Annotated[bool, Meta(description="steps multiply equity, trades too where sizes are shares of it")]
    probability_of_total_loss: Annotated[float, Meta(description="of losing the whole balance; such a path ends there")]


class BacktestTold(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a backtest came to, without what its session alone has: the curve and the trades."""

    result_id: str
    symbol: str
    timeframe: str
    config: Annotated[
        dict[str, Any],
        Meta(
            description="as it was asked for, with what was not named filled in: `config.pipSize` and `config.lotSize` "
            "are those in force"
        ),
    ]
    metrics: Metrics
    reasons: Annotated[dict[str, str], Meta(description="why a metric is null")]
    monte_carlo: MonteCarloItem | UnsetType = UNSET
    completed_at: str
    session: Annotated[str, Meta(description="everything it decided")]
    decision_hash: str
    denials: Annotated[dict[str, int], Meta(description="orders that were denied, by code")]
    recording: Annotated[str, Meta(description="what was replayed")]
    data_start: Annotated[str | None, Meta(description="time of the first row that was read")]
    data_end: str | None


class BacktestWhole(BacktestTold, frozen=True, rename="camel", kw_only=True):
    """All that a backtest came to."""

    currency: Annotated[str, Meta(description="of all money here and in `config`: the symbol's quote currency")]
    time_series: TimeSeries
    trades: list[TradeItem]
    trades_total: Annotated[int, Meta(description="open ones included; the newest of them are in `trades`")]


class Compared(msgspec.Struct, frozen=True, rename="camel"):
    """One of those that are compared."""

    result_id: str
    symbol: str
    metrics: Metrics


class Comparison(msgspec.Struct, frozen=True, rename="camel"):
    """The best of them; of equals the first."""

    best_by_return: str
    best_by_sharpe: str
    best_by_drawdown: str


class Compares(msgspec.Struct, frozen=True):
    """Results side by side, in the order in which they were named."""

    results: list[Compared]
    comparison: Comparison


def item(row: JobRow) -> BacktestItem:
    """A row of the list; one that this version cannot read is told as such, and does not hide the others."""
    try:
        return _item(row)
    except Undecodable as error:
        nothing = Summary(*(None for _ in Summary.__struct_fields__))
        return BacktestItem(row.job, "", "", nothing, instant_of(row.ended_ns), unreadable(row, error))


def _item(row: JobRow) -> BacktestItem:
    result, body = result_of(row, BacktestResult), asked_of(row, BacktestBody)
    measured = {one.name: one.value for one in result.measurements.metrics}
    summary: Any = [measured.get(name) for name in Summary.__struct_fields__]
    timeframe = details_of(row, body).timeframe
    return BacktestItem(row.job, symbol_of(body, result), timeframe, Summary(*summary), instant_of(row.ended_ns))


def symbol_of(body: BacktestBody, result: BacktestResult) -> str:
    """What it was asked for, else what it traded."""
    return body.symbol or ", ".join(result.symbols)


def compared(row: JobRow, result: BacktestResult) -> Compared:
    """One of those that are compared. Raises Undecodable."""
    return Compared(row.job, symbol_of(asked_of(row, BacktestBody), result), metrics_of(result.measurements))


def whole(row: JobRow, found: Figures) -> BacktestWhole:
    """A result with curve and trades of its session. Raises Undecodable."""
    result, details = result_of(row, BacktestResult), details_of(row, asked_of(row, BacktestBody))
    return BacktestWhole(
        **_told(row),
        currency=found.spec.instruments[0].quote,
        time_series=_series(found),
        trades=_trades(found.trades, result.units.lot if result.units else details.lot, result.cash),
        trades_total=len(found.trades),
    )


def told(row: JobRow) -> BacktestTold:
    """A result as its job alone has it. Raises Undecodable."""
    return BacktestTold(**_told(row))


def _told(row: JobRow) -> dict[str, Any]:
    result, body = result_of(row, BacktestResult), asked_of(row, BacktestBody)
    details = details_of(row, body)
    simulated = result.monte_carlo
    return {
        "result_id": row.job,
        "symbol": symbol_of(body, result),
        "timeframe": details.timeframe,
        "config": _config(details, result.units),
        "metrics": metrics_of(result.measurements),
        "reasons": {camel(name): reason for name, reason in reasons_of(result).items()},
        "monte_carlo": _simulated(simulated) if simulated else UNSET,
        "completed_at": instant(row.ended_ns) or "",
        "session": result.session,
        "decision_hash": result.decision_hash,
        "denials": result.denials,
        "recording": result.recording,
        "data_start": instant(result.first_ns),
        "data_end": instant(result.last_ns),
    }


def metrics_of(measurements: Measurements) -> dict[str, dict[str, float | None]]:
    """The groups of the contract, with what else is measured."""
    groups = measurements.by_group()
    return {camel(group): {camel(name): value for name, value in values.items()} for group, values in groups.items()}


def _series(found: Figures) -> TimeSeries:
    curve = found.curve
    kept = downsample(curve.equity, POINTS_MAX)
    falls = drawdowns_of(curve)[kept] if curve.equity[0] > 0.0 else curve.equity[kept] * 0.0
    return TimeSeries(curve.equity[kept].tolist(), falls.tolist(), [instant_of(int(one)) for one in curve.ts_ns[kept]])


def _config(details: Details, units: Units | None) -> dict[str, Any]:
    """As it was asked for, with the pip and the lot that were in force: asked for again, they are the same."""
    if units is None:
        return details.config
    return details.config | {"config": details.config["config"] | {"pipSize": units.pip, "lotSize": units.lot}}


def _trades(trades: Rows, lot: float, cash: float) -> list[TradeItem]:
    first = max(0, len(trades) - TRADES_MAX)
    return [_trade(first + at + 1, row, lot, cash) for at, row in enumerate(trades[first:])]


def _trade(number: int, row: Any, lot: float, cash: float) -> TradeItem:
    pnl = float(row["pnl"])
    return TradeItem(
        id=f"trade_{number:03}",
        entry_time=instant_of(row["entry_ns"]),
        exit_time=instant_of(row["exit_ns"]),
        direction=LONG if row["side"] > 0 else SHORT,
        entry_price=float(row["entry_price"]),
        exit_price=float(row["exit_price"]),
        size=float(row["quantity"]) / lot,
        pnl=pnl,
        pnl_percent=pnl / cash if cash else 0.0,
        status="open" if row["open"] else _exit(int(row["code"])),
    )


def _exit(code: int) -> str:
    if code in EXITS:
        return EXITS[Code(code)]
    return "signal" if code in (Code.SIGNAL_EXIT, Code.FLIP) or code not in set(Code) else Code(code).name.lower()


def _simulated(found: MonteCarlo) -> MonteCarloItem:
    return MonteCarloItem(
        final_equity=FinalEquity(*msgspec.structs.astuple(found.final_equity)),
        max_drawdown=DeepestFalls(*msgspec.structs.astuple(found.max_drawdown)),
        probability_of_profit=found.probability_of_profit,
        probability_of_ruin=found.probability_of_ruin,
        simulations=found.simulations,
        ruin_ratio=found.ruin_ratio,
        method=found.method,
        block_length=found.block,
        steps=found.steps,
        compounding=found.compounding or found.method == "returns",
        probability_of_total_loss=found.probability_of_total_loss,
    )
