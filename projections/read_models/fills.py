"""Fills: executions of parts of orders."""

from __future__ import annotations

import msgspec

from events.rows import Rows, SectionKind
from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Writer
from projections.read_models.answers import CODES, SIDES, Cursor, Listed, Listing, Page, Scope, Walked, Where
from projections.read_models.positions import Positions
from projections.read_models.row_tables import RowTable


class Fills(RowTable):
    """Applies FILL sections, and hands the fills of a batch on to the lanes that hold them."""

    def __init__(self, positions: Positions | None = None) -> None:
        super().__init__("fills", SectionKind.FILL)
        self._positions = positions

    def flush(self, writer: Writer) -> None:
        """Insert what was gathered, then what it makes of positions and trades."""
        columns = self.take()
        if columns:
            writer.insert(self.table, columns)
            if self._positions is not None:
                self._positions.apply(columns)
                self._positions.flush(writer)


# --- queries ------------------------------------------------------------------------------------------------------


class FillRow(msgspec.Struct, frozen=True, kw_only=True):
    """One fill. Money in quote currency, quantities in base units; `position` and `cash` are after it."""

    session: str
    strategy: str
    symbol: str
    lane: int
    ordinal: int
    sequence: int
    index: int
    input: int
    ts_event_ns: int
    order: int
    side: str
    price: float
    quantity: float
    fee: float
    realized: float
    position: float
    cash: float
    maker: bool
    code: str


_LISTING = Listing(
    "fills",
    FillRow,
    (
        *("lane", "ordinal", "sequence", "row_index", "input", "ts_event_ns", "order_number", "side", "price"),
        *("quantity", "fee", "realized", "position", "cash", "maker::BOOLEAN", "code"),
    ),
    ("sequence", "ordinal"),
    {"side": SIDES, "code": CODES},
    ("quantity", "position"),
)


def fills(
    snapshot: Snapshot, scope: Scope | None = None, page: Page | None = None, order: int | None = None
) -> Listed[FillRow]:
    """Fills in the order of the tape; of one order where its number is given. Raises Unknown."""
    where = Where(snapshot.made("fills"))
    (scope or Scope()).narrow(snapshot, where, "fills")
    if order is not None:
        where.add("order_number = ?", order)
    return _LISTING.page(snapshot, where, page or Page())


def newest_fills(snapshot: Snapshot, scope: Scope, cursor: Cursor | None, limit: int) -> Walked[FillRow]:
    """Fills of a session, or of all live and paper sessions, the newest on the tape first. Raises Unknown."""
    where = Where(snapshot.made("fills"))
    scope.narrow(snapshot, where, "fills")
    return _LISTING.walk(snapshot, where, cursor, limit)


def fill_rows(snapshot: Snapshot, session: str, scope: Scope | None = None) -> Rows:
    """FILL_DTYPE[n] of a session, in ordinal order. Raises Unknown, LimitReached."""
    return Fills().export(snapshot, session, scope)
