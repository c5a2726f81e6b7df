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
from api.research.envelope import Data, enveloped
from api.research.walkforward_bodies import WalkforwardWhole, whole
from api.services.acting import IDEMPOTENCY_KEY
from api.services.backtests import instrument_header
from api.services.finished import WALKFORWARD, finished
from api.services.job_results import asked_of
from api.services.research import WalkforwardAsked, run_walkforward
from api.session_control import Key
from engine.jobs.walkforward import WalkforwardBody
from projections.read_models.jobs import job

OPEN = {"elsewhere": "trader"}

ResultId = Annotated[str, PathParameter(description="id of a result, which is its job's", max_length=TEXT_MAX)]


class WalkforwardReceipt(msgspec.Struct, frozen=True, rename="camel"):
    """A walk-forward that was taken. Its result will have the same id."""

    job_id: str
    status: Annotated[str, Meta(description="queued, or running where a worker has begun already")]
    estimated_folds: int


@post("/api/v1/walkforward/run", status_code=201, opt=OPEN | {"instrument": True})
async def run(
    data: JSONBody[WalkforwardAsked], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[Data[WalkforwardReceipt]]:
    """Queue a walk-forward: per fold a fit on one window of time and a test on the next."""
    how, estimated = await run_walkforward(house, data, name_of(request), key)
    await house.reader.wait_until(how.sequence)
    row = (await house.reader.run(lambda snapshot: job(snapshot, how.id), Moment())).value
    body = WalkforwardReceipt(row.job, row.state, estimated)
    headers = {IDEMPOTENCY_KEY: how.key, **instrument_header(house, asked_of(row, WalkforwardBody).backtest)}
    return enveloped(request, body, sequence=how.sequence, status=201, headers=headers)


@get("/api/v1/walkforward/results/{result_id:str}")
async def one_result(
    request: Request[Any, Any, Any], result_id: ResultId, house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[Data[WalkforwardWhole]]:
    """All that a walk-forward came to. 404 while it has no result, with how far it is."""
    found = await house.reader.run(lambda snapshot: whole(finished(snapshot, result_id, WALKFORWARD)), at)
    return enveloped(request, found.value, sequence=found.sequence)


HANDLERS = [run, one_result]
