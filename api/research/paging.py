"""Which part of a list a request of contract 002 asks for: `limit` and `offset`, the newest first."""

from __future__ import annotations

from typing import Annotated

from litestar.di import Provide
from litestar.params import QueryParameter

from projections.read_models.answers import PAGE_OFFSET_MAX, Page

ROWS = 20
ROWS_MAX = 1_000


def provide_part(
    limit: Annotated[int, QueryParameter(ge=1, le=ROWS_MAX, description="rows of the page")] = ROWS,
    offset: Annotated[int, QueryParameter(ge=0, le=PAGE_OFFSET_MAX, description="rows before it")] = 0,
) -> Page:
    """The part that is asked for."""
    return Page(limit=limit, offset=offset, newest_first=True)


PART = {"part": Provide(provide_part, sync_to_thread=False)}  # dependencies of a handler
