"""Contract 001: backtests run in the background, and what they came to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from api.access import name_of, still_the_same, user_of
from api.house import House
from api.platform.backtest_items import STATUSES, BacktestItem, BacktestWhole, item, whole
from api.platform.task_events import sse
from api.reading.asking import TEXT_MAX
from api.reading.reader import Moment
from api.services.backtests import KIND, BacktestAsked, instrument_header, run
from api.services.job_results import asked_of
from api.services.learning import LATER
from api.session_control import Key, done
from api.streams.hub import HEARTBEAT
from api.streams.response import EventStream
from engine.jobs.backtest import BacktestBody
from events.errors import InvalidInput, Unknown
from projections.duckdb.store import Snapshot
from projections.read_models.answers import Page
from projections.read_models.jobs import STATES_OVER, JobFilter, JobRow, job, jobs

TRADER = {"role": "trader"}
OPEN = {"elsewhere": "trader"}
PARAMS_MAX = 8_192

BacktestId = Annotated[str, PathParameter(description="id of a backtest", max_length=TEXT_MAX)]


class BacktestReceipt(msgspec.Struct, frozen=True):
    """A backtest that was taken."""

    status: Annotated[str, Meta(description="queued, or running where a worker has begun already")]
    backtest_id: str
    message: str
    task_id: str
    queue_position: int | UnsetType = UNSET


@get("/api/backtests", opt={"newest": True})
async def list_backtests(
    house: NamedDependency[House], at: NamedDependency[Moment], page: NamedDependency[Page]
) -> Response[list[BacktestItem]]:
    """Backtests that are over, newest first, the failed ones with their error."""
    over = JobFilter(kinds=(KIND,), states=STATES_OVER)
    return await house.reader.one(lambda snapshot: [item(row) for row in jobs(snapshot, over, page).rows], at)


@get("/api/backtests/{backtest_id:str}")
async def one_backtest(
    backtest_id: BacktestId, house: NamedDependency[House], at: NamedDependency[Moment]
) -> Response[BacktestWhole]:
    """One backtest with everything it came to; while it waits or runs, how far it is."""
    return await house.reader.one(lambda snapshot: whole(_backtest(snapshot, backtest_id)), at)


@post("/api/backtests/run", status_code=200, opt=TRADER | LATER | {"instrument": True})
async def run_backtest(
    data: JSONBody[BacktestAsked], request: Request[Any, Any, Any], house: NamedDependency[House], key: Key = None
) -> Response[BacktestReceipt]:
    """Queue a backtest over what is recorded of a symbol. It is refused where nothing covers the range.

    Where several venues have the symbol, it is of one whose rows the strategy decides on, then of the one that has most
    of the range, then of the one recorded last: `Tape-Instrument` says which.
    """
    how = await run(house, data, user_of(request).user, key)
    await house.reader.wait_until(how.sequence)
    row = (await house.reader.run(lambda snapshot: _backtest(snapshot, how.id), Moment())).value
    answer = done(_receipt(row), how, house)
    answer.headers.update(instrument_header(house, asked_of(row, BacktestBody)))
    return answer


def _receipt(row: JobRow) -> BacktestReceipt:
    if row.state == "queued":
        message = f"Backtest queued. Position in queue: {row.position}"
        return BacktestReceipt("queued", row.job, message, row.job, row.position)
    message = "Backtest started in background. Check Status Center for progress."
    return BacktestReceipt("running", row.job, message, row.job)


def _backtest(snapshot: Snapshot, name: str) -> JobRow:
    try:
        row = job(snapshot, name)
    except Unknown:
        row = None
    if row is None or row.kind != KIND:
        raise Unknown(f"Backtest not found: {name[:64]!r}.", field="backtest_id")
    return row


def provide_asked(
    strategy: Annotated[str, QueryParameter(description="a kind, or a configured one's id", max_length=TEXT_MAX)],
    symbol: Annotated[str, QueryParameter(max_length=TEXT_MAX)],
    start_date: Annotated[str, QueryParameter(description="ISO 8601", max_length=64)],
    end_date: Annotated[str, QueryParameter(description="ISO 8601", max_length=64)],
    initial_capital: Annotated[float, QueryParameter(gt=0, le=1e15)],
    params: Annotated[str | None, QueryParameter(description="JSON object", max_length=PARAMS_MAX)] = None,
) -> BacktestAsked:
    """A backtest asked for in a query."""
    return BacktestAsked(strategy, symbol, start_date, end_date, initial_capital, _params(params))


@get(
    "/api/backtests/stream",
    media_type="text/event-stream",
    opt=OPEN | LATER | {"changes": True},
    dependencies={"asked": Provide(provide_asked, sync_to_thread=False)},
)
async def stream_backtest(
    request: Request[Any, Any, Any], house: NamedDependency[House], asked: NamedDependency[BacktestAsked]
) -> EventStream:
    """Run a backtest and watch it: events `status`, then `complete` with what it came to, or `error`."""
    house.jobs.check_room()
    before = house.jobs.sequence
    how = await run(house, asked, name_of(request), None)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Tape-Epoch": house.reader.epoch}
    return EventStream(_watch(house, how.id, before), headers, still_the_same(request, house))


def _params(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidInput(f"params is no JSON object: {str(error)[:200]}.", field="params") from None


async def _watch(house: House, name: str, before: int) -> AsyncGenerator[bytes, None]:
    listener = house.jobs.join()
    try:
        await house.reader.wait_until(max(before, house.jobs.sequence))
        row = (await house.reader.run(lambda snapshot: _backtest(snapshot, name), Moment())).value
        yield _worded(row)
        loop, every = asyncio.get_running_loop(), house.settings.api.heartbeat_seconds
        due = loop.time() + every
        while row.state not in STATES_OVER and not listener.over:
            event = await listener.next(max(0.0, due - loop.time()))
            if event is not None and event.job.job == name and event.job.changed_at > row.changed_at:
                row = event.job
                yield _worded(row)
            elif loop.time() >= due:  # also where other jobs have much to tell
                yield HEARTBEAT
            else:
                continue
            due = loop.time() + every
    finally:
        house.jobs.leave(listener)


def _worded(row: JobRow) -> bytes:
    status = STATUSES.get(row.state)
    if status is None:
        body = {"step": row.state, "status": "in-progress", "title": row.title, "message": row.description}
        return sse("status", {**body, "backtest_id": row.job, "progress": row.ratio})
    if row.result is None:
        return sse("error", {"message": row.error_message or "It was stopped.", "backtest_id": row.job})
    return sse("complete", whole(row))


HANDLERS = [list_backtests, one_backtest, run_backtest, stream_backtest]
