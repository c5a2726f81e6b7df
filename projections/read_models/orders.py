"""Orders: every step of every order's life, and the step that holds at a sequence."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from events.errors import Unknown
from events.rows import OrderStatus, Rows, SectionKind
from events.stack import Layer
from projections.duckdb.store import Snapshot
from projections.duckdb.tables import NOT_ENDED, Writer
from projections.read_models.answers import (
    CODES,
    ORDER_KINDS,
    ORDER_STATUSES,
    SIDES,
    TIMES_IN_FORCE,
    Listed,
    Listing,
    Page,
    Scope,
    Where,
    number_of,
    numbers_for,
)
from projections.read_models.row_tables import RowTable
from projections.read_models.sessions import GOES_ON


class Orders:
    """Applies ORDER sections. A step ends the step before it of the same order, also within one message."""

    def __init__(self) -> None:
        self._steps = RowTable("orders", SectionKind.ORDER, "sequence_from")
        self.tables = (self._steps.table,)
        self._highest: dict[int, int] = {}  # by session: highest order number in the table

    def restore(self, writer: Writer) -> None:
        """Read back which orders are known of sessions that go on."""
        rows = writer.execute(
            f"SELECT session, max(order_number) FROM orders WHERE {GOES_ON} GROUP BY session"
        ).fetchall()
        self._highest = dict(rows)
        self.clear()

    def add(self, sessions: np.ndarray, sequences: np.ndarray, layer: Layer) -> None:
        """See `RowTable.add`."""
        self._steps.add(sessions, sequences, layer)

    def flush(self, writer: Writer) -> None:
        """End the steps of earlier batches and insert those of this one."""
        columns = self._steps.take()
        if not columns:
            return
        session, order, sequence = columns["session"], columns["order_number"], columns["sequence_from"]
        by_order = np.lexsort((order, session))  # stable: steps of one order stay in their order
        same = (np.diff(session[by_order]) == 0) & (np.diff(order[by_order]) == 0)
        ended = np.full(len(order), NOT_ENDED, "<i8")
        ended[by_order[:-1][same]] = sequence[by_order[1:][same]]
        first = by_order[np.concatenate(([True], ~same))]
        self._end_earlier(writer, session[first], order[first], sequence[first])
        writer.insert(self._steps.table, columns | {"sequence_to": ended})
        for number in np.unique(session):
            highest = int(order[session == number].max())
            self._highest[int(number)] = max(highest, self._highest.get(int(number), 0))

    def _end_earlier(self, writer: Writer, session: np.ndarray, order: np.ndarray, sequence: np.ndarray) -> None:
        highest = np.array([self._highest.get(number, 0) for number in session.tolist()], "<i8")
        known = order <= highest
        keys = {"session": session[known], "order_number": order[known]}
        writer.end(self._steps.table, keys, sequence[known])

    def forget(self, sessions: set[int]) -> None:
        """Nothing follows in these sessions."""
        for number in sessions:
            self._highest.pop(number, None)

    def clear(self) -> None:
        """Forget what was gathered."""
        self._steps.clear()


# --- queries ------------------------------------------------------------------------------------------------------


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an order. Prices in quote currency, quantities in base units, times in ns UTC."""

    session: str
    strategy: str
    symbol: str
    lane: int
    ordinal: int
    sequence: int
    index: int
    ended_at: int | None  # sequence of the step after it
    input: int
    ts_event_ns: int
    order: int
    kind: str
    side: str
    status: str
    time_in_force: str
    price: float
    stop_price: float
    quantity: float
    filled: float
    code: str
    active_ns: int


_LISTING = Listing(
    "orders",
    OrderRow,
    (
        *("lane", "ordinal", "sequence_from", "row_index", "sequence_to", "input", "ts_event_ns", "order_number"),
        *("kind", "side", "status", "time_in_force", "price", "stop_price", "quantity", "filled", "code", "active_ns"),
    ),
    ("sequence_from", "ordinal"),
    {"kind": ORDER_KINDS, "side": SIDES, "status": ORDER_STATUSES, "time_in_force": TIMES_IN_FORCE, "code": CODES},
    ("quantity", "filled"),
)

# Accepted, triggered or partly filled, or sent with an unknown outcome: something may still come of it.
_WORKING = (
    f"(status IN ({OrderStatus.ACCEPTED}, {OrderStatus.TRIGGERED}, {OrderStatus.UNKNOWN})"
    f" OR status = {OrderStatus.FILLED} AND filled < quantity * (1 - 1e-9))"
)


def orders(
    snapshot: Snapshot,
    scope: Scope | None = None,
    page: Page | None = None,
    *,
    statuses: Sequence[str] = (),
    working: bool = False,
) -> Listed[OrderRow]:
    """The newest step of each order, in the order of those steps; of these statuses, or only what still works.

    Raises:
        Unknown: no such session.
        InvalidInput: no such status.
    """
    where = Where(snapshot.current("orders"))
    (scope or Scope()).narrow(snapshot, where, "orders")
    if statuses:
        where.add("status IN (SELECT unnest(?))", numbers_for(ORDER_STATUSES, statuses, "status"))
    if working:
        where.add(_WORKING)
    return _LISTING.page(snapshot, where, page or Page())


def order_history(snapshot: Snapshot, session: str, order: int, page: Page | None = None) -> Listed[OrderRow]:
    """Every step of one order.

    Raises:
        Unknown: no such session or order.
    """
    where = Where(f"sequence_from <= {snapshot.sequence}")
    where.add("session = ? AND order_number = ?", number_of(snapshot, session), order)
    found = _LISTING.page(snapshot, where, page or Page())
    if not found.total:
        raise Unknown(f"Session {session} has no order {order} as of sequence {snapshot.sequence}.", field="order")
    return found


def order_rows(snapshot: Snapshot, session: str, scope: Scope | None = None) -> Rows:
    """ORDER_DTYPE[n] of a session: every step, in ordinal order. Raises Unknown, LimitReached."""
    return RowTable("orders", SectionKind.ORDER, "sequence_from").export(snapshot, session, scope)
