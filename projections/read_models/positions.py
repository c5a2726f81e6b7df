"""Positions: what each lane holds, a version per decision that filled something; and the trades that this ends."""

from __future__ import annotations

import msgspec

from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Columns, Writer
from projections.read_models.answers import SIDES, Listed, Listing, Page, Scope, Where
from projections.read_models.pairing import Fill, Holding, apply_fill
from projections.read_models.sessions import GOES_ON
from projections.read_models.trades import TRADES
from projections.read_models.versions import Versions

_HOLDING = tuple((name, "BIGINT" if kind == "int" else "DOUBLE") for name, kind in Holding.__annotations__.items())
# Columns that pairing reads, in the order of `Fill` behind its sequence; the place of the row is in front of them.
_PLACE = ("session", "lane", "ordinal", "sequence")
_READ = ("ts_event_ns", "order_number", "price", "quantity", "fee", "realized", "side", "code")


class Positions:
    """Applies fills to lanes."""

    def __init__(self) -> None:
        self._versions = Versions("positions", (("session", "INTEGER"), ("lane", "INTEGER")), _HOLDING)
        self.tables = (self._versions.table, TRADES)
        self._holdings: dict[tuple[int, int], Holding] = {}
        self._trades: list[tuple[object, ...]] = []

    def restore(self, writer: Writer) -> None:
        """Read back the lanes of sessions that go on."""
        columns = ", ".join(name for name, _ in _HOLDING)
        rows = writer.execute(
            f"SELECT session, lane, {columns} FROM positions WHERE sequence_to IS NULL AND {GOES_ON}"
        ).fetchall()
        self._holdings = {(row[0], row[1]): Holding(*row[2:]) for row in rows}
        self.clear()

    def apply(self, fills: Columns) -> None:
        """The fills of a batch by column, in order."""
        columns = (fills[name].tolist() for name in (*_PLACE, *_READ))
        decided = -1
        touched: dict[tuple[int, int], bool] = {}
        for session, lane, ordinal, sequence, *values in zip(*columns, strict=True):
            if sequence != decided:
                self._put(touched, decided)
                touched, decided = {}, sequence
            key = (session, lane)
            holding = self._holdings.get(key)
            if holding is None:
                holding = self._holdings[key] = Holding()
                touched[key] = True
            trade = apply_fill(holding, Fill(sequence, *values))
            touched.setdefault(key, False)
            if trade is not None:
                self._trades.append((session, sequence, ordinal, lane, *trade))
        self._put(touched, decided)

    def _put(self, touched: dict[tuple[int, int], bool], sequence: int) -> None:
        """One version of each lane that a decision filled."""
        for key, first in touched.items():
            self._versions.put(key, msgspec.structs.astuple(self._holdings[key]), sequence, first=first)

    def flush(self, writer: Writer) -> None:
        """Write what was gathered."""
        writer.insert_rows(TRADES, self._trades)
        self._trades = []
        self._versions.flush(writer)

    def forget(self, sessions: set[int]) -> None:
        """Nothing follows in these sessions."""
        self._holdings = {key: holding for key, holding in self._holdings.items() if key[0] not in sessions}

    def clear(self) -> None:
        """Forget what was gathered."""
        self._trades = []
        self._versions.clear()


# --- queries ------------------------------------------------------------------------------------------------------


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One lane. Money in quote currency, quantities in base units, times in ns UTC; entry fields are 0 when flat."""

    session: str
    strategy: str
    symbol: str
    lane: int
    side: str  # buy: long, sell: short, none: flat
    quantity: float  # signed
    entry_price: float  # average cost of what is held
    entry_ns: int
    entry_sequence: int
    last_price: float  # of the last fill
    last_ns: int
    realized: float  # of the lane so far, before fees
    fees: float  # of the lane so far
    fills: int
    trades: int  # ended
    sequence: int  # of the fill that made it so


_LISTING = Listing(
    "positions",
    PositionRow,
    (
        *("lane", "side", "quantity", "entry_price", "entry_ns", "entry_sequence", "last_price", "last_ns"),
        *("realized", "fees", "fills", "trades", "sequence_from"),
    ),
    ("session", "lane"),
    {"side": SIDES},
)


def positions(
    snapshot: Snapshot, scope: Scope | None = None, page: Page | None = None, *, open_only: bool = False
) -> Listed[PositionRow]:
    """Lanes that have filled something, in the order of sessions and lanes. Raises Unknown."""
    scope = scope or Scope()
    where = Where(snapshot.current("positions"))
    msgspec.structs.replace(scope, from_ns=None, to_ns=None).narrow(snapshot, where, "positions")
    scope.in_time(where, "positions", "last_ns")
    if open_only:
        where.add("side <> 0")
    return _LISTING.page(snapshot, where, page or Page())
