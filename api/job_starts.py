"""Jobs of kinds that no contract asks for: sweeps and Monte Carlo simulations; results are under `/api/jobs/{job}`."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from api.access import user_of
from api.house import House
from api.reading.reader import Moment
from api.services.acting import Done
from api.services.backtests import instrument_header
from api.services.job_results import asked_of
from api.services.job_starts import SWEEP, MonteCarloAsked, SweepAsked, run_montecarlo, run_sweep
from api.session_control import Key, done
from engine.jobs.sweep import SweepBody
from projections.read_models.jobs import job

TRADER = {"role": "trader"}


class JobReceipt(msgspec.Struct, frozen=True):
    """A job that was taken."""

    job: str
    kind: str
    title: str
    state: Annotated[str, Meta(description="queued, or running where a worker has begun already")]
    position: Annotated[int, Meta(description="in the queue, 1 is the next; 0 where it does not wait")]


@post("/api/jobs/sweep", status_code=200, opt=TRADER | {"instrument": True})
async def start_sweep(
    data: JSONBody[SweepAsked], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[JobReceipt]:
    """Queue a sweep: one strategy with many sets of parameters over what is recorded of a symbol in a range."""
    return await _receipt(house, await run_sweep(house, data, user_of(request).user, key))


@post("/api/jobs/montecarlo", status_code=200, opt=TRADER)
async def start_montecarlo(
    data: JSONBody[MonteCarloAsked], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[JobReceipt]:
    """Queue a simulation of what a session that ended might have come to."""
    return await _receipt(house, await run_montecarlo(house, data, user_of(request).user, key))


async def _receipt(house: House, how: Done) -> Response[JobReceipt]:
    await house.reader.wait_until(how.sequence)
    row = (await house.reader.run(lambda snapshot: job(snapshot, how.id), Moment())).value
    answer = done(JobReceipt(row.job, row.kind, row.title, row.state, row.position), how, house)
    if row.kind == SWEEP:
        answer.headers.update(instrument_header(house, asked_of(row, SweepBody).backtest))
    return answer


HANDLERS = [start_sweep, start_montecarlo]
