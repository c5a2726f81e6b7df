"""Signals: what strategies said."""

from __future__ import annotations

import msgspec

from events.rows import Rows, SectionKind
from projections.duckdb.store import Snapshot
from projections.read_models.answers import CODES, SIDES, SIGNAL_KINDS, Listed, Listing, Page, Scope, Where
from projections.read_models.row_tables import RowTable


class Signals(RowTable):
    """Applies SIGNAL sections."""

    def __init__(self) -> None:
        super().__init__("signals", SectionKind.SIGNAL)


# --- queries ------------------------------------------------------------------------------------------------------


class SignalRow(msgspec.Struct, frozen=True, kw_only=True):
    """One signal. Prices in quote currency, times in ns UTC."""

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
    strength: float
    kind: str
    side: str
    code: str


_LISTING = Listing(
    "signals",
    SignalRow,
    ("lane", "ordinal", "sequence", "row_index", "input", "ts_event_ns", "price", "strength", "kind", "side", "code"),
    ("sequence", "ordinal"),
    {"kind": SIGNAL_KINDS, "side": SIDES, "code": CODES},
)


def signals(snapshot: Snapshot, scope: Scope | None = None, page: Page | None = None) -> Listed[SignalRow]:
    """Signals in the order of the tape. Raises Unknown."""
    where = Where(snapshot.made("signals"))
    (scope or Scope()).narrow(snapshot, where, "signals")
    return _LISTING.page(snapshot, where, page or Page())


def signal_rows(snapshot: Snapshot, session: str, scope: Scope | None = None) -> Rows:
    """SIGNAL_DTYPE[n] of a session, in ordinal order. Raises Unknown, LimitReached."""
    return Signals().export(snapshot, session, scope)
