"""What learning will bring and this installation has not: models, predictions, sentiment, and the jobs that train.

Requests for them are read and checked like all others; then they are answered that nothing here can carry them out.
Lists are empty and no id is known, which is the truth: nothing was ever trained.
"""

from __future__ import annotations

from typing import Annotated, Literal, NoReturn

import msgspec
from msgspec import Meta

from events.errors import NotAvailable, Unknown

LEARNING = "LEARNING_NOT_AVAILABLE"
LATER = {"later": True}  # of a route that answers 501 once a request is checked
KINDS = ("MLPredictive",)  # of strategies: a model decides
MODEL_PARAMS = ("model_path",)  # of theirs
SYMBOLS_MAX = 64
NAME_MAX = 128
TEXT_MAX = 20_000  # characters of a text to judge
PARAMETERS_MAX = 64

Timeframe = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
Symbol = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text to judge."""

    text: Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)]
    source: Annotated[str, Meta(max_length=NAME_MAX)] | None = None


def refuse(what: str) -> NoReturn:
    """Raise NotAvailable: understood, and nothing here does it."""
    raise NotAvailable(
        f"{what}: this installation has no learning.", code=LEARNING, hint="Strategies by rules run without it."
    )


def check_kind(kind: str) -> None:
    """Raise NotAvailable: strategies of this type need a model."""
    if kind in KINDS:
        refuse(f"{kind} decides by a model")


def unknown_model(name: str, field: str) -> NoReturn:
    """Raise Unknown: nothing was trained, so no name is a model's."""
    raise Unknown(f"Model not found: {name[:64]!r}. No model was trained here.", field=field)


def unknown_job(name: str, field: str) -> NoReturn:
    """Raise Unknown: no training was ever started."""
    raise Unknown(f"Training job not found: {name[:64]!r}. No training was started here.", field=field)
