"""Positions: what each lane holds, a version per decision that filled something; and the trades that this ends."""

from __future__ import annotations

import itertools
from typing import get_type_hints

import msgspec
import numpy as np

from projections.duckdb.store import Snapshot
from projections.duckdb.tables import ENDED, NOT_ENDED, Columns, Table, Writer, columns_of
from projections.read_models.answers import SIDES, Listed, Listing, Page, Scope, Where
from projections.read_models.pairing import Holding, paired
from projections.read_models.sessions import GOES_ON
from projections.read_models.trades import TRADES
from projections.read_models.versions import VERSION

_HOLDING = tuple((name, "BIGINT" if kind is int else "DOUBLE") for name, kind in get_type_hints(Holding).items())
_KEY = (("session", "INTEGER"), ("lane", "INTEGER"))
_TABLE = Table("positions", (*_KEY, *_HOLDING, *VERSION), ("session", "lane", "sequence_from"))
# Columns that pairing reads, in the order of `Fill`.
_READ = ("sequence", "ts_event_ns", "order_number", "price", "quantity", "fee", "realized", "side", "code")

Lane = tuple[int, int]  # session, number of the lane


class Positions:
    """Applies fills to lanes."""

    def __init__(self) -> None:
        self.tables = (_TABLE, TRADES)
        self._holdings: dict[Lane, Holding] = {}
        self._trades: list[tuple[object, ...]] = []
        self._versions: dict[str, np.ndarray] = {}
        self._known: list[tuple[Lane, int]] = []  # lanes that have a version of earlier, and the sequence that ends it

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
        by_lane = np.lexsort((fills["lane"], fills["session"]))  # stable: fills of one lane stay in their order
        session, lane, sequence = (fills[name][by_lane] for name in ("session", "lane", "sequence"))
        ordinals = fills["ordinal"][by_lane].tolist()
        values = list(zip(*(fills[name][by_lane].tolist() for name in _READ), strict=True))
        other = (np.diff(session) != 0) | (np.diff(lane) != 0)
        starts = [0, *(np.flatnonzero(other) + 1).tolist()]
        states: list[tuple[object, ...]] = []
        for first, end in itertools.pairwise([*starts, len(values)]):
            key = (int(session[first]), int(lane[first]))
            if (holding := self._holdings.get(key)) is not None:
                self._known.append((key, values[first][0]))
            after, ended = paired(holding or Holding(), values[first:end])
            self._holdings[key] = Holding(*after[-1])
            states += after
            for at, trade in ended:
                self._trades.append((key[0], values[first + at][0], ordinals[first + at], key[1], *trade))
        last = np.append(other | (np.diff(sequence) != 0), True)  # of a lane's fills in one decision
        self._versions = columns_of(_HOLDING, list(itertools.compress(states, last.tolist())))
        ends = np.append(np.where(other, NOT_ENDED, sequence[1:]), NOT_ENDED)
        self._versions |= {
            "session": session[last], "lane": lane[last], "sequence_from": sequence[last], ENDED: ends[last],
        }  # fmt: skip

    def flush(self, writer: Writer) -> None:
        """Write what was gathered."""
        writer.insert_rows(TRADES, self._trades)
        if self._known:
            keys, sequences = zip(*self._known, strict=True)
            sessions, lanes = np.array(keys, "<i8").T
            writer.end(_TABLE, {"session": sessions, "lane": lanes}, np.array(sequences, "<i8"))
        if self._versions:
            writer.insert(_TABLE, self._versions)
        self.clear()

    def forget(self, sessions: set[int]) -> None:
        """Nothing follows in these sessions."""
        self._holdings = {key: holding for key, holding in self._holdings.items() if key[0] not in sessions}

    def clear(self) -> None:
        """Forget what was gathered."""
        self._trades, self._versions, self._known = [], {}, []


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
    ("quantity",),
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
