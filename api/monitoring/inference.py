"""Contract 003: forecasts of a series, and the sentiment of texts. Answered 501: no model is here to make them.

The sentiment server's own paths stand at the root, and below `/api` as well (C18).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta

from api.house import House
from api.reading.asking import TEXT_MAX
from api.reading.reader import Moment, answered
from api.services import learning
from api.services.learning import LATER

HISTORY_MAX = 10_000
HORIZON_MAX = 1_000
ROWS_MAX = 1_000
SENTIMENT_MODEL = "finbert"


class SeriesToForecast(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A series, oldest value first, and how many values to forecast."""

    symbol: learning.Symbol
    history: Annotated[tuple[float, ...], Meta(min_length=1, max_length=HISTORY_MAX)]
    horizon: Annotated[int, Meta(ge=1, le=HORIZON_MAX)] = 1


class ForecastMeta(msgspec.Struct, frozen=True):
    """Which model, when, how far."""

    model: str
    timestamp: str
    horizon: int


class Forecast(msgspec.Struct, frozen=True):
    """The values that are expected."""

    forecast: list[float]
    confidence: list[float]
    meta: ForecastMeta


class Judgement(msgspec.Struct, frozen=True):
    """What a text says of its subject: -1 is as bad as can be, 1 as good."""

    authenticity_score: float
    sentiment_score: float
    source: str | None
    summary: str | None


class SentimentItem(msgspec.Struct, frozen=True):
    """Sentiment of a symbol in one window of time."""

    symbol: str
    window: str
    time: str
    sentiment_score: float
    texts: int


class SentimentList(msgspec.Struct, frozen=True):
    """Sentiment, newest first."""

    sentiment: list[SentimentItem]
    total: int


class SentimentHealth(msgspec.Struct, frozen=True):
    """Whether the model of sentiment is loaded."""

    status: Annotated[str, Meta(description="ok or unavailable")]
    model: str
    loaded: bool


@post("/api/infer/forecast/nbeats", status_code=200, opt=LATER)
async def forecast(data: JSONBody[SeriesToForecast]) -> Forecast:
    """Forecast a series. Answered 501: no model is here."""
    learning.refuse(f"{data.horizon} values of {data.symbol[:64]} cannot be forecast")


@post("/api/analyze", status_code=200, opt=LATER)
async def analyze(data: JSONBody[learning.Text]) -> Judgement:
    """Judge a text. Answered 501: no model is here."""
    learning.refuse(f"A text of {len(data.text)} characters cannot be judged")


@get("/api/sentiment")
async def sentiment(
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    symbol: Annotated[str | None, QueryParameter(description="only of this symbol", max_length=TEXT_MAX)] = None,
    window: Annotated[Literal["1h", "4h", "1d"], QueryParameter(description="over how long")] = "1h",
    limit: Annotated[int, QueryParameter(ge=1, le=ROWS_MAX, description="rows at most")] = 100,
) -> Response[SentimentList]:
    """Sentiment by symbol and window. No text was judged, so there is none."""
    return answered(SentimentList([], 0), *house.reader.now(at))


@get("/health", opt={"public": True})
async def sentiment_health() -> SentimentHealth:
    """Whether the model of sentiment is loaded. It is not: none is here. `/api/health` is the house's own (C5)."""
    return SentimentHealth("unavailable", SENTIMENT_MODEL, False)


@post(["/predict", "/api/predict"], status_code=200, opt=LATER)
async def predict(data: JSONBody[learning.Text]) -> Judgement:
    """Judge a text by the model of sentiment. Answered 501: it is not loaded."""
    learning.refuse(f"A text of {len(data.text)} characters cannot be judged")


HANDLERS = [forecast, analyze, sentiment, sentiment_health, predict]
