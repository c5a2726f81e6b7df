"""Contract 002: backtests run as jobs; what they came to, alone, in a list and side by side."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta

from api.access import name_of
from api.house import House
from api.reading.asking import TEXT_MAX
from api.reading.reader import Moment
from api.reading.wording import instant_of
from api.research.backtest_bodies import (
    Backtests,
    BacktestWhole,
    Compares,
    Comparison,
    compared,
    item,
    whole,
)
from api.research.envelope import Data, DataPage, enveloped, pagination
from api.research.paging import PART
from api.services.acting import IDEMPOTENCY_KEY
from api.services.backtests import instrument_header
from api.services.finished import BACKTEST, finished
from api.services.job_results import asked_of, result_of
from api.services.research import BacktestAsked, run_backtest
from api.services.results import figures
from api.session_control import Key
from engine.jobs.backtest import BacktestBody, BacktestResult
from engine.research.compare import best
from events.errors import Unknown
from projections.duckdb.store import Snapshot
from projections.read_models.answers import Page
from projections.read_models.jobs import JobFilter, job, jobs

OPEN = {"elsewhere": "trader"}
COMPARED_MAX = 50
OVER = JobFilter(kinds=(BACKTEST,), states=("completed",))

ResultId = Annotated[str, PathParameter(description="id of a result, which is its job's", max_length=TEXT_MAX)]


class BacktestReceipt(msgspec.Struct, frozen=True, rename="camel"):
    """A backtest that was taken. Its result will have the same id."""

    job_id: str
    status: Annotated[str, Meta(description="queued, or running where a worker has begun already")]
    created_at: str


class CompareAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Which results."""

    result_ids: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)], ...], Meta(min_length=1, max_length=COMPARED_MAX)
    ]


@post("/api/v1/backtest/run", status_code=201, opt=OPEN | {"instrument": True})
async def run(
    data: JSONBody[BacktestAsked], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[Data[BacktestReceipt]]:
    """Queue a backtest over the newest bars that are recorded of a symbol.

    Where several venues have the symbol, `Tape-Instrument` says whose recording holds the bars.
    """
    how = await run_backtest(house, data, name_of(request), key)
    await house.reader.wait_until(how.sequence)
    row = (await house.reader.run(lambda snapshot: job(snapshot, how.id), Moment())).value
    body = BacktestReceipt(row.job, row.state, instant_of(row.queued_ns))
    headers = {IDEMPOTENCY_KEY: how.key, **instrument_header(house, asked_of(row, BacktestBody))}
    return enveloped(request, body, sequence=how.sequence, status=201, headers=headers)


@get("/api/v1/backtest/results", dependencies=PART)
async def results(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    part: NamedDependency[Page],
    symbol: Annotated[str | None, QueryParameter(description="only of this symbol", max_length=TEXT_MAX)] = None,
    min_sharpe: Annotated[
        float | None,
        QueryParameter(name="minSharpe", description="only with this Sharpe ratio at least", ge=-1e9, le=1e9),
    ] = None,
) -> Response[DataPage[Backtests]]:
    """Backtests that are over, newest first, those of other contracts included."""
    wanted = msgspec.structs.replace(OVER, symbol=symbol, sharpe_min=min_sharpe)

    def work(snapshot: Snapshot) -> Backtests:
        found = jobs(snapshot, wanted, part)
        return Backtests([item(row) for row in found.rows], found.total)

    found = await house.reader.run(work, at)
    return enveloped(request, found.value, sequence=found.sequence, of=pagination(part, found.value.total))


@get("/api/v1/backtest/results/{result_id:str}")
async def one_result(
    request: Request[Any, Any, Any], result_id: ResultId, house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[Data[BacktestWhole]]:
    """All that a backtest came to. 404 while it has no result, with how far it is."""

    def work(snapshot: Snapshot) -> BacktestWhole:
        row = finished(snapshot, result_id, BACKTEST)
        return whole(row, figures(snapshot, result_of(row, BacktestResult).session))

    found = await house.reader.run(work, at)
    return enveloped(request, found.value, sequence=found.sequence)


@post("/api/v1/backtest/compare", status_code=200)
async def compare(
    data: JSONBody[CompareAsked],
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    at: NamedDependency[Moment],
) -> Response[Data[Compares]]:
    """Results side by side, and which is best by return, Sharpe ratio and drawdown."""

    def work(snapshot: Snapshot) -> Compares:
        try:
            rows = [finished(snapshot, name, BACKTEST) for name in data.result_ids]
        except Unknown as error:
            raise error.at("resultIds") from None
        found = [result_of(row, BacktestResult) for row in rows]
        places = best([one.measurements for one in found])
        results = [compared(row, one) for row, one in zip(rows, found, strict=True)]
        return Compares(results, Comparison(*(rows[place].job for place in places)))

    found = await house.reader.run(work, at)
    return enveloped(request, found.value, sequence=found.sequence)


HANDLERS = [run, results, one_result, compare]
