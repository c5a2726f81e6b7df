"""The page at `/`, the pages of the documentation, and the files they load."""

from __future__ import annotations

import asyncio
import gzip
from functools import cache
from importlib import resources
from typing import Annotated, Any

from litestar import MediaType, Request, Response, get
from litestar.params import PathParameter

from api.documentation import description_of
from api.pages.policy import DOCS_POLICY, PAGE_POLICY
from events.errors import Unknown

PACKAGE = "api.pages"
KEPT = "public, max-age=3600"
KINDS = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
KINDS |= {"js": "text/javascript; charset=utf-8"}
PAGES = frozenset({"index.html", "docs.html"})


@cache
def asset(name: str) -> tuple[bytes, bool]:
    """(bytes, whether they are gzip) of a file in the assets folder.

    Raises:
        Unknown: no such file; whatever the name, nothing outside the folder is read.
    """
    folder = resources.files(PACKAGE).joinpath("assets")
    for file in folder.iterdir():
        if file.name in (name, f"{name}.gz"):
            return file.read_bytes(), file.name.endswith(".gz")
    raise Unknown(f"There is no file {name[:64]!r}.")


def _page(name: str, policy: str) -> Response[bytes]:
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-cache"}
    return Response(asset(name)[0], media_type=MediaType.HTML, headers=headers)


@get("/", opt={"public": True}, include_in_schema=False)
async def page() -> Response[bytes]:
    """What runs here, and where to go."""
    return _page("index.html", PAGE_POLICY)


@get("/docs", opt={"public": True}, include_in_schema=False)
async def docs() -> Response[bytes]:
    """The documentation to read and to try."""
    return _page("docs.html", DOCS_POLICY)


@get("/docs/openapi.json", include_in_schema=False)
async def openapi_json(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The OpenAPI description of every route."""
    body = await asyncio.to_thread(description_of, request.app)
    return Response(body, media_type=MediaType.JSON)


@get("/assets/{name:str}", opt={"public": True}, include_in_schema=False)
async def assets(
    name: Annotated[str, PathParameter(description="a file", max_length=64)], request: Request[Any, Any, Any]
) -> Response[bytes]:
    """A file of the pages."""
    kind = KINDS.get(name.rpartition(".")[2])
    if kind is None or name in PAGES:
        raise Unknown(f"There is no file {name[:64]!r}.")
    data, packed = asset(name)
    headers = {"Cache-Control": KEPT}
    if packed and "gzip" in request.headers.get("accept-encoding", ""):
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    elif packed:
        data = gzip.decompress(data)
    return Response(data, media_type=kind, headers=headers)


HANDLERS = [page, docs, openapi_json, assets]
