"""Contracts 001 and 004: models. One list for both forms of its path (C3), one body to train (C4).

None is here until something can be trained: the list is empty, no name is known, and training is answered 501.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from api.house import House
from api.reading.asking import TEXT_MAX
from api.reading.reader import Moment, answered
from api.services import learning
from api.services.learning import LATER

TRADER = {"role": "trader"}
OPEN = {"elsewhere": "trader"}

ModelName = Annotated[str, PathParameter(description="name of a model", max_length=TEXT_MAX)]


class ModelPerformance(msgspec.Struct, frozen=True):
    """How well a model did on what it was trained with and on what was held back. Errors in quote currency."""

    train_r2: float
    val_r2: float
    train_mae: float
    val_mae: float
    train_rmse: float
    val_rmse: float


class ModelItem(msgspec.Struct, frozen=True):
    """A trained model."""

    name: str
    type: str
    symbol: str
    timeframe: str
    n_steps_ahead: int
    model_size_kb: float
    trained_at: str
    performance: ModelPerformance


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to train on, and how far ahead to look."""

    symbol: learning.Symbol
    timeframe: learning.Timeframe
    n_steps_ahead: Annotated[int, Meta(ge=1, le=10_000)] = 300
    days_history: Annotated[int, Meta(ge=1, le=3_650)] = 30


class Deployment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which model is to be used."""

    model_name: learning.Name


@get("/api/models")
async def models(house: NamedDependency[House], at: NamedDependency[Moment]) -> Response[list[ModelItem]]:
    """Trained models with their performance, with and without a trailing slash. None can be trained yet."""
    return answered([], *house.reader.now(at))


@get("/api/models/{model_name:str}")
async def one_model(model_name: ModelName, at: NamedDependency[Moment]) -> ModelItem:
    """One trained model."""
    learning.unknown_model(model_name, "model_name")


@post("/api/models/train", status_code=200, opt=OPEN | LATER)
async def train(data: JSONBody[Training]) -> ModelItem:
    """Train a model. Answered 501: nothing here trains."""
    learning.refuse(f"A model of {data.symbol[:64]} at {data.timeframe} cannot be trained")


@post("/api/models/deploy", status_code=200, opt=TRADER)
async def deploy(data: JSONBody[Deployment]) -> ModelItem:
    """Use a trained model (contract 004)."""
    learning.unknown_model(data.model_name, "model_name")


HANDLERS = [models, one_model, train, deploy]
