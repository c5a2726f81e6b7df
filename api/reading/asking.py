"""What every read may be asked beside its own parameters: as of when, how new, which part, of whom."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Request
from litestar.di import NamedDependency, Provide
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from api.access import role_for
from api.house import House
from api.reading.reader import MIN_SEQUENCE, Moment
from api.services.checkup import Checkup
from api.services.components import Registry
from events.clock import from_iso
from events.errors import InvalidInput
from projections.read_models.answers import PAGE_OFFSET_MAX, PAGE_ROWS_MAX, Page, Scope

TEXT_MAX = 128
ISO_EXAMPLE = "2025-11-18T12:30:00Z"

SessionId = Annotated[str, PathParameter(description="id of a session", max_length=TEXT_MAX)]
AsOf = Annotated[
    str | None,
    QueryParameter(
        description="answer as of this sequence of the tape or ISO 8601 instant; without it as new as there is",
        max_length=TEXT_MAX,
    ),
]
MinSequence = Annotated[
    str | None,
    HeaderParameter(
        name=MIN_SEQUENCE,
        description="wait, bounded, until the answer shows at least this sequence: you read what you wrote",
        max_length=TEXT_MAX,
    ),
]
Symbol = Annotated[str | None, QueryParameter(description="only of this symbol", max_length=TEXT_MAX)]
StrategyId = Annotated[str | None, QueryParameter(description="only of this strategy", max_length=TEXT_MAX)]
Start = Annotated[str | None, QueryParameter(description="from this event time on, ISO 8601", max_length=TEXT_MAX)]
End = Annotated[str | None, QueryParameter(description="before this event time, ISO 8601", max_length=TEXT_MAX)]
PageRows = Annotated[int, QueryParameter(name="limit", ge=1, le=PAGE_ROWS_MAX, description="rows of the page")]
Offset = Annotated[int, QueryParameter(ge=0, le=PAGE_OFFSET_MAX, description="rows to leave out before it")]
Order = Annotated[
    Literal["oldest", "newest"] | None, QueryParameter(description="which rows come first; each list has its usual way")
]


def ns_of(text: str | None, field: str) -> int | None:
    """ns UTC of an ISO 8601 text; None without one. A `+` that a query turned into a space is taken for one.

    Raises:
        InvalidInput: no such text.
    """
    if text is None:
        return None
    head, space, zone = text.rpartition(" ")
    if space and "T" in head and zone.replace(":", "").isdecimal():
        text = f"{head}+{zone}"
    try:
        ns = from_iso(text)
    except (ValueError, OverflowError):
        ns = -1
    if not 0 <= ns < 2**63:
        raise InvalidInput(
            f"{field} is {text[:40]!r}; it must be an ISO 8601 time from 1970 on, such as {ISO_EXAMPLE}.", field=field
        )
    return ns


async def provide_moment(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    as_of: AsOf = None,
    min_sequence: MinSequence = None,
) -> Moment:
    """As of when, reached."""
    scope = request.scope
    shared = role_for(request.route_handler.opt, scope, house) is None  # an answer for everybody may be kept
    key = (scope["raw_path"], scope["query_string"]) if shared else None
    return await house.reader.moment(as_of, min_sequence, key)


def provide_page(
    request: Request[Any, Any, Any],
    house: NamedDependency[House],
    limit: PageRows = 100,
    offset: Offset = 0,
    order: Order = None,
) -> Page:
    """Which part of a list."""
    page_max = house.settings.api.page_max
    if limit > page_max:
        raise InvalidInput(f"limit is {limit}; page_max is {page_max}.", field="limit")
    newest = order == "newest" or (order is None and bool(request.route_handler.opt.get("newest")))
    return Page(limit=limit, offset=offset, newest_first=newest)


def provide_scope(
    session: SessionId, symbol: Symbol = None, strategy: StrategyId = None, start: Start = None, end: End = None
) -> Scope:
    """Which rows of one session."""
    from_ns, to_ns = ns_of(start, "start"), ns_of(end, "end")
    if from_ns is not None and to_ns is not None and from_ns >= to_ns:
        raise InvalidInput("start must be before end.", field="start")
    return Scope(session=session, symbol=symbol, strategy=strategy, from_ns=from_ns, to_ns=to_ns)


def dependencies(house: House) -> dict[str, Provide]:
    """Of the whole application."""
    checkup = Checkup(house)
    registry = Registry(house, checkup)
    return {
        "house": Provide(lambda: house, sync_to_thread=False),
        "checkup": Provide(lambda: checkup, sync_to_thread=False),
        "registry": Provide(lambda: registry, sync_to_thread=False),
        "at": Provide(provide_moment),
        "page": Provide(provide_page, sync_to_thread=False),
        "of": Provide(provide_scope, sync_to_thread=False),
    }
