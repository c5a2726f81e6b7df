"""Contracts 001 and 003: predictions. The path that both have is told apart by its slash and its parameters (C2).

Nothing here predicts: what would is answered 501 once it is checked, lists are empty, no id is known.
"""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import PathParameter, QueryParameter

from api.house import House
from api.raw_path import slashed
from api.reading.asking import TEXT_MAX
from api.reading.reader import Moment, answered
from api.services import learning
from api.services.learning import LATER
from events.errors import InvalidInput, Unknown

VIEWER = {"role": "viewer"}
TRADER = {"role": "trader"}
OPEN = {"elsewhere": "trader"}

PredictionId = Annotated[str, PathParameter(description="id of a prediction", max_length=TEXT_MAX)]
Symbol = Annotated[str, QueryParameter(description="what to predict", min_length=1, max_length=TEXT_MAX)]
Timeframe = Annotated[learning.Timeframe, QueryParameter(description="of a step")]
AutoTrain = Annotated[bool, QueryParameter(description="train a model where there is none")]


class Step(msgspec.Struct, frozen=True):
    """One candle that is expected."""

    step: int
    minutes_ahead: int
    predicted_open: float
    predicted_high: float
    predicted_low: float
    predicted_close: float
    predicted_return: float
    confidence: float
    timestamp: str


class Prediction(msgspec.Struct, frozen=True):
    """What a model expects of a symbol."""

    timestamp: str
    current_price: float
    predictions: list[Step]
    smoothness_score: float
    model_trained: bool
    model_name: str
    model_age_days: int


class PredictionItem(msgspec.Struct, frozen=True):
    """A prediction that was asked for."""

    id: str
    symbol: str
    timeframe: str
    status: str
    created_at: str


class PredictionHistory(msgspec.Struct, frozen=True):
    """Predictions that were made, newest first."""

    predictions: list[Prediction]
    total: int


class PredictionReceipt(msgspec.Struct, frozen=True):
    """A prediction that was taken."""

    status: str
    prediction_id: str
    message: str


class Wanted(msgspec.Struct, frozen=True):
    """What a query asks for."""

    symbol: str | None
    timeframe: str | None


def provide_wanted(
    symbol: Annotated[str | None, QueryParameter(description="what to predict", max_length=TEXT_MAX)] = None,
    timeframe: Annotated[learning.Timeframe | None, QueryParameter(description="of a step")] = None,
    auto_train: AutoTrain = True,
    force_retrain: Annotated[bool, QueryParameter(description="train anew also where a model is fresh")] = False,
) -> Wanted:
    """What is wanted; how a model would be trained for it is read and changes nothing yet."""
    return Wanted(symbol or None, timeframe)


@get("/api/predictions", opt=LATER, dependencies={"wanted": Provide(provide_wanted, sync_to_thread=False)})
async def predictions(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    wanted: NamedDependency[Wanted],
) -> Response[PredictionHistory | Prediction]:
    """Predictions that were made, of a symbol or a timeframe where one is named. None were.

    With both, or with a trailing slash, which asks for both, it is a new prediction (contract 001): answered 501.
    """
    if wanted.symbol and wanted.timeframe:
        _refuse(wanted.symbol, wanted.timeframe)
    if slashed(request.scope):
        missing = "timeframe" if wanted.symbol else "symbol"
        raise InvalidInput(f"The query parameter {missing!r} is missing.", field=missing)
    return answered(PredictionHistory([], 0), *house.reader.now(at))


@post("/api/predictions/generate", status_code=200, opt=TRADER | LATER)
async def generate(symbol: Symbol, timeframe: Timeframe, auto_train: AutoTrain = True) -> PredictionReceipt:
    """Predict in the background. Answered 501: nothing here predicts."""
    _refuse(symbol, timeframe)


@get("/api/predictions/list", opt=VIEWER)
async def own_predictions(house: NamedDependency[House], at: NamedDependency[Moment]) -> Response[list[PredictionItem]]:
    """One's own predictions. None were made."""
    return answered([], *house.reader.now(at))


@get("/api/predictions/stream", opt=OPEN | LATER)
async def stream(symbol: Symbol, timeframe: Timeframe) -> Prediction:
    """Predict and watch it. Answered 501 before a stream opens: nothing here predicts."""
    _refuse(symbol, timeframe)


@get("/api/predictions/{prediction_id:str}", opt=VIEWER)
async def one_prediction(prediction_id: PredictionId, at: NamedDependency[Moment]) -> Prediction:
    """One's own prediction."""
    raise Unknown(f"Prediction not found: {prediction_id[:64]!r}. None was made here.", field="prediction_id")


def _refuse(symbol: str, timeframe: str) -> NoReturn:
    learning.refuse(f"{symbol[:64]} at {timeframe} cannot be predicted")


HANDLERS = [predictions, generate, own_predictions, stream, one_prediction]
