"""Who did what, for admins."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Meta

from api.house import House
from api.reading.asking import TEXT_MAX
from api.reading.reader import Listing, Moment
from api.reading.wording import Wording, instant_of
from events.facts.audit import Action
from projections.duckdb.store import Snapshot
from projections.read_models.answers import Listed, Page
from projections.read_models.audit import AuditRow, audited


class AuditBody(msgspec.Struct, frozen=True):
    """What somebody did, or tried to."""

    sequence: int
    time: str
    action: Action
    user: Annotated[str, Meta(description="empty: nobody that is known")]
    what: Annotated[str, Meta(description="method and path, or the change; no body, no query")]
    address: str
    status: Annotated[int, Meta(description="HTTP; 0: no request")]
    count: Annotated[int, Meta(description="how often within the second")]
    left_out: Annotated[int, Meta(description="further ones before it, over audits_per_minute")]


class AuditPage(Listing[AuditBody], frozen=True):
    """One page."""


AUDIT = Wording(AuditRow, AuditBody, time=lambda row: instant_of(row.appended_ns))


@get("/api/audit", opt={"role": "admin", "newest": True})
async def list_audit(
    house: NamedDependency[House],
    at: NamedDependency[Moment],
    page: NamedDependency[Page],
    user: Annotated[str | None, QueryParameter(description="only of this user", max_length=TEXT_MAX)] = None,
    action: Annotated[Action | None, QueryParameter(description="only this")] = None,
) -> Response[AuditPage]:
    """Logins, refusals, and changes of users, keys, configuration and processes, newest first.

    Commands (sessions, orders, jobs, strategies) name their user on the tape themselves.
    """

    def query(snapshot: Snapshot) -> Listed[AuditRow]:
        return audited(snapshot, user=user, action=action, page=page)

    return await house.reader.page(query, AUDIT, at, page)


HANDLERS = [list_audit]
