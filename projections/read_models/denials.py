"""Denials: orders that our own risk check refused."""

from __future__ import annotations

import msgspec

from events.rows import Rows, SectionKind
from projections.duckdb.store import Snapshot
from projections.read_models.answers import CODES, ORDER_KINDS, SIDES, Listed, Listing, Page, Scope, Where
from projections.read_models.row_tables import RowTable


class Denials(RowTable):
    """Applies DENIAL sections."""

    def __init__(self) -> None:
        super().__init__("denials", SectionKind.DENIAL)


# --- queries ------------------------------------------------------------------------------------------------------


class DenialRow(msgspec.Struct, frozen=True, kw_only=True):
    """One denial. `limit` is what was exceeded, in the unit of the limit."""

    session: str
    strategy: str
    symbol: str
    lane: int
    ordinal: int
    sequence: int
    index: int
    input: int
    ts_event_ns: int
    price: float
    quantity: float
    limit: float
    side: str
    kind: str
    code: str


_LISTING = Listing(
    "denials",
    DenialRow,
    (
        *("lane", "ordinal", "sequence", "row_index", "input", "ts_event_ns", "price", "quantity", "bound"),
        *("side", "kind", "code"),
    ),
    ("sequence", "ordinal"),
    {"side": SIDES, "kind": ORDER_KINDS, "code": CODES},
)


def denials(snapshot: Snapshot, scope: Scope | None = None, page: Page | None = None) -> Listed[DenialRow]:
    """Denials in the order of the tape. Raises Unknown."""
    where = Where(snapshot.made("denials"))
    (scope or Scope()).narrow(snapshot, where, "denials")
    return _LISTING.page(snapshot, where, page or Page())


def denial_rows(snapshot: Snapshot, session: str, scope: Scope | None = None) -> Rows:
    """DENIAL_DTYPE[n] of a session, in ordinal order. Raises Unknown, LimitReached."""
    return Denials().export(snapshot, session, scope)
