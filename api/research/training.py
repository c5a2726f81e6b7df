"""Contract 002: training. Nothing here trains: a start is answered 501, the list is empty, no id is known."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta

from api.house import House
from api.reading.asking import TEXT_MAX, ns_of
from api.reading.reader import Moment
from api.research.envelope import Data, DataPage, enveloped, pagination
from api.research.paging import PART, ROWS_MAX
from api.services import learning
from api.services.learning import LATER
from engine.configuration.changes import read
from events.errors import InvalidInput
from projections.read_models.answers import Page

OPEN = {"elsewhere": "trader"}
TRAINED = ("transformer", "ppo")

JobId = Annotated[str, PathParameter(description="id of a training job", max_length=TEXT_MAX)]


class TrainingStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What to train on, for how long; `config` differs from the configuration where it names a value."""

    symbols: Annotated[tuple[learning.Symbol, ...], Meta(min_length=1, max_length=learning.SYMBOLS_MAX)]
    timeframe: learning.Timeframe = "1h"
    multi_timeframe: bool = False
    additional_timeframes: Annotated[tuple[learning.Timeframe, ...], Meta(max_length=8)] = ()
    bars: Annotated[int, Meta(ge=100, le=10_000_000)] = 50_000
    epochs: Annotated[int, Meta(ge=1, le=1_000)] = 100
    timesteps: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1_000_000
    model_dir: Annotated[str, Meta(max_length=256)] = "./saved_models"
    config: Annotated[dict[str, Any], Meta(description="sections transformer and ppo")] = {}


class TrainingReceipt(msgspec.Struct, frozen=True, rename="camel"):
    """A training job that was taken."""

    job_id: str
    status: str
    symbols: list[str]
    created_at: str
    estimated_duration: Annotated[int, Meta(description="seconds")]


class TrainingProgress(msgspec.Struct, frozen=True, rename="camel"):
    """How far a training job is."""

    current_epoch: int | None
    total_epochs: int | None
    percent: float


class TrainingItem(msgspec.Struct, frozen=True, rename="camel"):
    """A training job."""

    job_id: str
    status: str
    symbols: list[str]
    phase: str | None
    progress: TrainingProgress
    created_at: str


class TrainingJobs(msgspec.Struct, frozen=True):
    """Training jobs, newest first. The page stands here and beside `data` (C15)."""

    jobs: list[TrainingItem]
    total: int
    limit: int
    offset: int


class TrainingLine(msgspec.Struct, frozen=True):
    """A line of a training job's log."""

    timestamp: str
    level: str
    message: str
    logger: str


class TrainingLogs(msgspec.Struct, frozen=True, rename="camel"):
    """Lines of a training job's log."""

    logs: list[TrainingLine]
    has_more: bool


class StoppedTraining(msgspec.Struct, frozen=True, rename="camel"):
    """A training job that was stopped."""

    job_id: str
    status: str
    stopped_at: str


@post("/api/v1/training/start", status_code=201, opt=OPEN | LATER)
async def start(data: JSONBody[TrainingStart]) -> Data[TrainingReceipt]:
    """Start to train. Answered 501: nothing here trains."""
    for section in data.config:
        if section not in TRAINED:
            raise InvalidInput(
                f"config.{section[:64]} is not trained; there are {', '.join(TRAINED)}.", field=f"config.{section[:64]}"
            )
    try:
        read(data.config)
    except InvalidInput as error:
        wrong = error.fields or {error.field or "": [error.message]}
        named = {f"config.{name}".rstrip("."): texts for name, texts in wrong.items()}
        raise InvalidInput(error.message, fields=named, hint=error.hint) from None
    learning.refuse(f"Models of {', '.join(data.symbols)[:200]} cannot be trained")


@get("/api/v1/training/jobs", dependencies=PART)
async def list_jobs(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    part: NamedDependency[Page],
    job_status: Annotated[
        Literal["running", "completed", "failed"] | None, QueryParameter(name="status", description="only so")
    ] = None,
    symbol: Annotated[str | None, QueryParameter(description="only of this symbol", max_length=TEXT_MAX)] = None,
) -> Response[DataPage[TrainingJobs]]:
    """Training jobs, newest first. None was started."""
    body = TrainingJobs([], 0, part.limit, part.offset)
    return enveloped(request, body, sequence=house.reader.now(at)[0], of=pagination(part, 0))


@get("/api/v1/training/jobs/{job_id:str}")
async def one_job(job_id: JobId, at: NamedDependency[Moment]) -> Data[TrainingItem]:
    """One training job."""
    learning.unknown_job(job_id, "jobId")


@post("/api/v1/training/jobs/{job_id:str}/stop", status_code=200, opt=OPEN)
async def stop(job_id: JobId) -> Data[StoppedTraining]:
    """Stop a training job."""
    learning.unknown_job(job_id, "jobId")


@get("/api/v1/training/jobs/{job_id:str}/logs")
async def logs(
    job_id: JobId,
    at: NamedDependency[Moment],
    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None, QueryParameter(description="only of this level")
    ] = None,
    since: Annotated[str | None, QueryParameter(description="from this time on, ISO 8601", max_length=TEXT_MAX)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=ROWS_MAX, description="lines at most")] = 100,
) -> Data[TrainingLogs]:
    """Lines of a training job's log."""
    ns_of(since, "since")
    learning.unknown_job(job_id, "jobId")


HANDLERS = [start, list_jobs, one_job, stop, logs]
