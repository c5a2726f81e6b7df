"""Equity: what a session's account was worth, after each fill and at each interval of event time."""

from __future__ import annotations

import msgspec

from events.errors import InvalidInput
from events.rows import Rows, SectionKind
from projections.duckdb.store import Snapshot
from projections.read_models.answers import Listed, Page, Scope, Where, listed, number_of
from projections.read_models.row_tables import RowTable

POINTS_MAX = 10_000


class Equity(RowTable):
    """Applies MARK sections."""

    def __init__(self) -> None:
        super().__init__("equity", SectionKind.MARK)


# --- queries ------------------------------------------------------------------------------------------------------


class MarkRow(msgspec.Struct, frozen=True, kw_only=True):
    """The account at one moment; quote currency. `equity` is cash plus positions at last prices."""

    ordinal: int
    sequence: int
    index: int
    input: int
    ts_event_ns: int
    cash: float
    equity: float
    exposure: float
    realized: float
    unrealized: float
    fees: float


_COLUMNS = "ordinal, sequence, row_index, input, ts_event_ns, cash, equity, exposure, realized, unrealized, fees"


def equity(snapshot: Snapshot, session: str, page: Page | None = None, scope: Scope | None = None) -> Listed[MarkRow]:
    """Marks of a session in order; of `scope` only the bounds of event time count. Raises Unknown."""
    page = page or Page()
    where = _where(snapshot, session, scope)
    total = snapshot.count(f"SELECT count(*) FROM equity WHERE {where}", where.values)
    rows = snapshot.rows(f"SELECT {_COLUMNS} FROM equity WHERE {where} {page.sql('ordinal')}", where.values)
    return listed([_row(row) for row in rows], total, page)


def equity_curve(snapshot: Snapshot, session: str, points: int = 1_000, scope: Scope | None = None) -> list[MarkRow]:
    """The session's marks thinned to at most `points`: the last of each of as many equal runs of marks.

    Raises:
        Unknown: no such session.
        InvalidInput: `points` is not 1 to POINTS_MAX.
    """
    if not 1 <= points <= POINTS_MAX:
        raise InvalidInput(f"points is {points}; it must be 1 to {POINTS_MAX}.", field="points")
    where = _where(snapshot, session, scope)
    rows = snapshot.rows(
        f"SELECT {_COLUMNS} FROM"
        " (SELECT *, row_number() OVER (ORDER BY ordinal) AS place, count(*) OVER () AS marks"
        f" FROM equity WHERE {where})"
        " QUALIFY row_number() OVER (PARTITION BY (place - 1) * ? // marks ORDER BY place DESC) = 1 ORDER BY ordinal",
        [*where.values, points],
    )
    return [_row(row) for row in rows]


def newest_mark(snapshot: Snapshot, session: str) -> MarkRow | None:
    """The last mark of a session; None before the first. Raises Unknown."""
    where = _where(snapshot, session, None)
    row = snapshot.one(f"SELECT {_COLUMNS} FROM equity WHERE {where} ORDER BY ordinal DESC LIMIT 1", where.values)
    return None if row is None else _row(row)


def mark_rows(snapshot: Snapshot, session: str, scope: Scope | None = None) -> Rows:
    """MARK_DTYPE[n] of a session, in ordinal order. Raises Unknown, LimitReached."""
    return Equity().export(snapshot, session, scope)


def _where(snapshot: Snapshot, session: str, scope: Scope | None) -> Where:
    where = Where(snapshot.made("equity"))
    where.add("session = ?", number_of(snapshot, session))
    (scope or Scope()).in_time(where, "equity")
    return where


def _row(row: tuple) -> MarkRow:
    return MarkRow(**dict(zip(MarkRow.__struct_fields__, row, strict=True)))


def highest_equity(snapshot: Snapshot, session: str) -> float:
    """The highest equity of any mark, quote currency; 0 without one. Raises Unknown."""
    where = f"session = {number_of(snapshot, session)} AND {snapshot.made('equity')}"
    row = snapshot.one(f"SELECT max(equity) FROM equity WHERE {where}", [])
    return float(row[0]) if row and row[0] is not None else 0.0
