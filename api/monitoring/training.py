"""Contract 003: training. Nothing here trains: a start is answered 501, and no id is known."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from api.reading.asking import TEXT_MAX
from api.reading.reader import Moment
from api.services import learning
from api.services.learning import LATER

TRADER = {"role": "trader"}

TrainingId = Annotated[str, PathParameter(description="id of a training job", max_length=TEXT_MAX)]


class TrainingStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to train on, and which kind of model."""

    symbol: learning.Symbol
    model: learning.Name = "nbeats"


class TrainingReceipt(msgspec.Struct, frozen=True, rename="camel"):
    """A training job (C20)."""

    id: str
    job_id: str
    status: str


class TrainingLogs(msgspec.Struct, frozen=True):
    """Lines of a training job."""

    logs: list[str]
    total: int


@post("/api/training/start", status_code=200, opt=TRADER | LATER)
async def start(data: JSONBody[TrainingStart]) -> TrainingReceipt:
    """Start to train a model. Answered 501: nothing here trains."""
    learning.refuse(f"A {data.model[:64]} model of {data.symbol[:64]} cannot be trained")


@get("/api/training/{training_id:str}/logs")
async def logs(training_id: TrainingId, at: NamedDependency[Moment]) -> TrainingLogs:
    """Lines of a training job."""
    learning.unknown_job(training_id, "id")


@post("/api/training/{training_id:str}/stop", status_code=200, opt=TRADER)
async def stop(training_id: TrainingId) -> TrainingReceipt:
    """Stop a training job."""
    learning.unknown_job(training_id, "id")


HANDLERS = [start, logs, stop]
