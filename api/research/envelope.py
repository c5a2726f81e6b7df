"""Contract 002's envelope: `{data, meta}`, with `pagination` beside them where the data is a page of a list."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
from litestar import Request, Response

from api.house import House
from api.reading.reader import places
from api.requests import request_id
from events.clock import iso
from projections.read_models.answers import Page

T = TypeVar("T")


class Meta(msgspec.Struct, frozen=True, rename="camel"):
    """When it was answered, and under which id the log has it."""

    timestamp: str
    request_id: str


class Pagination(msgspec.Struct, frozen=True, rename="camel"):
    """Which part of a list this is."""

    limit: int
    offset: int
    total: int
    has_more: bool


class Data(msgspec.Struct, Generic[T], frozen=True):
    """A success."""

    data: T
    meta: Meta


class DataPage(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list."""

    data: T
    pagination: Pagination
    meta: Meta


def pagination(page: Page, total: int) -> Pagination:
    """The block beside a page of a list of `total` rows."""
    return Pagination(page.limit, page.offset, total, page.offset + page.limit < total)


def enveloped(
    request: Request[Any, Any, Any],
    data: T,
    *,
    sequence: int | None,
    status: int = 200,
    of: Pagination | None = None,
    headers: dict[str, str] | None = None,
) -> Response[Any]:
    """A success as of a sequence; None: it does not come from the tape."""
    house: House = request.app.state.house
    meta = Meta(iso(house.clock.now_ns()), request_id(request.scope))
    body = Data(data, meta) if of is None else DataPage(data, of, meta)
    at = {} if sequence is None else places(sequence, house.reader.epoch)
    return Response(body, status_code=status, headers={**at, **(headers or {})})
