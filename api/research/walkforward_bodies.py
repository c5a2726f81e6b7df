"""Walk-forwards as contract 002 words them: folds, and what they came to together."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from api.reading.wording import instant_of
from api.services.job_results import asked_of, result_of
from engine.jobs.walkforward import FoldResult, WalkforwardBody, WalkforwardResult
from engine.research.walkforward import Spread, spread
from projections.read_models.jobs import JobRow

Figure = Annotated[float | None, Meta(description="null where it is not defined")]
Day = Annotated[str, Meta(description="such as 2023-01-01; an end is the last day that is read")]


class FoldMetrics(msgspec.Struct, frozen=True, rename="camel"):
    """Of a test. Shares of one; drawdowns are below 0."""

    total_return: Figure
    sharpe_ratio: Figure
    max_drawdown: Figure
    win_rate: Figure


class FoldItem(msgspec.Struct, frozen=True, rename="camel"):
    """A fold: what was fitted on the first window, and what it came to in the second."""

    fold: int
    train_start: Day
    train_end: Day
    test_start: Day
    test_end: Day
    metrics: FoldMetrics
    params: dict[str, float | int | bool]
    trained_return: float
    session: Annotated[str, Meta(description="of the test: everything it decided")]


class Aggregate(msgspec.Struct, frozen=True, rename="camel"):
    """Over the folds that have a figure. Of drawdowns `min` is the shallowest and `max` the deepest."""

    total_return: Spread
    sharpe_ratio: Spread
    max_drawdown: Spread
    win_rate: Spread


class Consistency(msgspec.Struct, frozen=True, rename="camel"):
    """Folds whose test gained."""

    profitable_folds: int
    profitable_ratio: float


class WalkforwardWhole(msgspec.Struct, frozen=True, rename="camel"):
    """All that a walk-forward came to."""

    result_id: str
    symbol: str
    n_folds: int
    aggregate: Aggregate
    consistency: Consistency
    folds: list[FoldItem]
    completed_at: str
    recording: Annotated[str, Meta(description="what was replayed")]
    data_start: Annotated[str, Meta(description="time of the first row of all folds")]
    data_end: str
    pip_size: Annotated[float | None, Meta(description="quote currency of a pip, in all folds; null of older results")]
    lot_size: Annotated[float | None, Meta(description="base units of a lot, in all folds; null of older results")]


def whole(row: JobRow) -> WalkforwardWhole:
    """What a walk-forward came to. Raises Undecodable."""
    result = result_of(row, WalkforwardResult)
    folds = result.folds
    gained = sum((one.total_return or 0.0) > 0.0 for one in folds)
    return WalkforwardWhole(
        row.job,
        asked_of(row, WalkforwardBody).backtest.symbol,
        len(folds),
        Aggregate(
            spread([one.total_return for one in folds]),
            spread([one.sharpe_ratio for one in folds]),
            spread([one.max_drawdown for one in folds], by_size=True),
            spread([one.win_rate for one in folds]),
        ),
        Consistency(gained, gained / len(folds)),
        [_fold(one) for one in folds],
        instant_of(row.ended_ns),
        result.recording,
        instant_of(result.first_ns),
        instant_of(result.last_ns),
        result.units.pip if result.units else None,
        result.units.lot if result.units else None,
    )


def _fold(one: FoldResult) -> FoldItem:
    train_start, train_end, test_start, test_end = (
        instant_of(day)[:10] for day in (one.train_ns, one.test_ns - 1, one.test_ns, one.until_ns - 1)
    )
    return FoldItem(
        one.fold,
        train_start,
        train_end,
        test_start,
        test_end,
        FoldMetrics(one.total_return, one.sharpe_ratio, one.max_drawdown, one.win_rate),
        one.params,
        one.trained_return,
        one.session,
    )
