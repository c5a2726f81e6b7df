"""Contract 002: folders of models. None is here until something can be trained.

A folder is documented as `./saved_models`, in one part of the path. Encoded, it reaches us as two parts, of which the
first is a dot: those paths are routes as well (C23). Anything else with a slash in it is no folder's name.
"""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from api.house import House
from api.reading.reader import Moment
from api.research.envelope import Data, DataPage, enveloped, pagination
from api.research.paging import PART
from events.errors import Unknown
from projections.read_models.answers import Page

DIRECTORY_MAX = 256

Directory = Annotated[
    str, PathParameter(description="folder of models, such as saved_models or ./saved_models", max_length=DIRECTORY_MAX)
]


class ModelFolder(msgspec.Struct, frozen=True):
    """A folder of models."""

    directory: str
    predictor: dict[str, Any]
    agent: dict[str, Any]
    metadata: dict[str, Any]


class ModelFolders(msgspec.Struct, frozen=True):
    """Folders of models."""

    models: list[ModelFolder]


class ModelFolderWhole(msgspec.Struct, frozen=True):
    """A folder of models, its files and what is known of them."""

    directory: str
    files: list[str]
    metadata: dict[str, Any]
    config: dict[str, Any]


@get("/api/v1/models", dependencies=PART)
async def models(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    part: NamedDependency[Page],
) -> Response[DataPage[ModelFolders]]:
    """Folders of models. None can be trained yet."""
    return enveloped(request, ModelFolders([]), sequence=house.reader.now(at)[0], of=pagination(part, 0))


@get("/api/v1/models/{directory:str}")
async def one_model(directory: Directory, at: NamedDependency[Moment]) -> Data[ModelFolderWhole]:
    """One folder of models."""
    _unknown(directory)


@get("/api/v1/models/{directory:str}/download")
async def download(directory: Directory, at: NamedDependency[Moment]) -> Data[ModelFolderWhole]:
    """The files of a folder of models as a ZIP archive."""
    _unknown(directory)


@get("/api/v1/models/./{directory:str}", include_in_schema=False)
async def one_model_encoded(directory: Directory, at: NamedDependency[Moment]) -> Data[ModelFolderWhole]:
    """The same for a folder that is written `.%2Fsaved_models`."""
    _unknown(directory)


@get("/api/v1/models/./{directory:str}/download", include_in_schema=False)
async def download_encoded(directory: Directory, at: NamedDependency[Moment]) -> Data[ModelFolderWhole]:
    """The same for a folder that is written `.%2Fsaved_models`."""
    _unknown(directory)


def _unknown(directory: str) -> NoReturn:
    raise Unknown(
        f"There is no folder of models {directory[:64]!r}: no model was trained here.",
        code="MODEL_NOT_FOUND",
        field="directory",
    )


HANDLERS = [models, one_model, download, one_model_encoded, download_encoded]
