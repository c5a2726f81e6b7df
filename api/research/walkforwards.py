"""Contract 002: walk-forwards run as jobs, and what their folds came to."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from api.access import name_of
from api.house import House
from api.reading.asking import TEXT_MAX
from api.reading.reader import Moment
from api.reading.wording import instant_of
from api.research.envelope import Data, enveloped
from api.services.acting import IDEMPOTENCY_KEY
from api.services.job_results import asked_of, result_of
from api.services.research import WALKFORWARD, WalkforwardAsked, finished, run_walkforward
from api.session_control import Key
from engine.jobs.walkforward import FoldResult, WalkforwardBody, WalkforwardResult
from engine.research.walkforward import Spread, spread
from projections.read_models.jobs import JobRow, job

OPEN = {"elsewhere": "trader"}

ResultId = Annotated[str, PathParameter(description="id of a result, which is its job's", max_length=TEXT_MAX)]
Figure = Annotated[float | None, Meta(description="null where it is not defined")]
Day = Annotated[str, Meta(description="such as 2023-01-01; an end is the last day that is read")]


class WalkforwardReceipt(msgspec.Struct, frozen=True, rename="camel"):
    """A walk-forward that was taken. Its result will have the same id."""

    job_id: str
    status: Annotated[str, Meta(description="queued, or running where a worker has begun already")]
    estimated_folds: int


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


@post("/api/v1/walkforward/run", status_code=201, opt=OPEN)
async def run(
    data: JSONBody[WalkforwardAsked], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[Data[WalkforwardReceipt]]:
    """Queue a walk-forward: per fold a fit on one window of time and a test on the next."""
    how, estimated = await run_walkforward(house, data, name_of(request), key)
    await house.reader.wait_until(how.sequence)
    row = (await house.reader.run(lambda snapshot: job(snapshot, how.id), Moment())).value
    body = WalkforwardReceipt(row.job, row.state, estimated)
    return enveloped(request, body, sequence=how.sequence, status=201, headers={IDEMPOTENCY_KEY: how.key})


@get("/api/v1/walkforward/results/{result_id:str}")
async def one_result(
    request: Request[Any, Any, Any], result_id: ResultId, house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[Data[WalkforwardWhole]]:
    """All that a walk-forward came to. 404 while it has no result, with how far it is."""
    found = await house.reader.run(lambda snapshot: _whole(finished(snapshot, result_id, WALKFORWARD)), at)
    return enveloped(request, found.value, sequence=found.sequence)


def _whole(row: JobRow) -> WalkforwardWhole:
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


HANDLERS = [run, one_result]
