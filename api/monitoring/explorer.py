"""Contract 003: the database explorer."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from api.access import user_of
from api.auth.users import Role
from api.house import House
from api.reading.reader import Moment, answered
from events.errors import InvalidInput

TEXT_MAX = 20_000

_encode = msgspec.json.Encoder().encode


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to ask."""

    query: Annotated[str, Meta(min_length=1, max_length=TEXT_MAX, description="one SELECT on the views")]


class QueryColumn(msgspec.Struct, frozen=True):
    """A column of what was found."""

    name: str
    type: Annotated[str, Meta(description="as DuckDB names it")]


class QueryAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """What a query found."""

    columns: list[QueryColumn]
    rows: Annotated[list[list[Any]], Meta(description="values in the order of the columns")]
    row_count: int
    truncated: Annotated[bool, Meta(description="there are more rows than an answer holds")]
    elapsed_ms: float
    sequence: Annotated[int, Meta(description="as of which sequence of the tape")]
    age_ms: Annotated[
        float, Meta(description="how long ago that was all there was: 10,000 at most, unless copies take over 4 s")
    ]


@post("/api/db/query", status_code=200, opt={"role": "viewer"})
async def query(
    data: JSONBody[Query],
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    at: NamedDependency[Moment],
) -> Response[QueryAnswer]:
    """Ask the views of the read model in SQL. One SELECT, ended after two seconds; nothing else is reached. Jobs, which
    are each user's own, are a view for admins.
    """
    if at.sequence is not None:
        raise InvalidInput(
            "The explorer answers as of now.", field="as_of", hint="Bound the column `sequence` of the views."
        )
    began = house.clock.monotonic_ns()
    found = await house.explorer.ask(data.query, at.least, admin=user_of(request).role.includes(Role.ADMIN))
    body = {
        "columns": found.columns,
        "rows": found.rows,
        "rowCount": len(found.rows),
        "truncated": found.truncated,
        "elapsedMs": round((house.clock.monotonic_ns() - began) / 1e6, 1),
        "sequence": found.sequence,
        "ageMs": round(found.age_s * 1_000, 1),
    }
    return answered(_encode(body), found.sequence, found.epoch)


HANDLERS = [query]
