"""The portfolio: all live and paper sessions that run, as one account. Queries only; it keeps no table of its own."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from projections.duckdb.store import Snapshot
from projections.read_models.answers import PAGE_ROWS_MAX, Page, Scope
from projections.read_models.positions import PositionRow, positions
from projections.read_models.sessions import SessionFilter, SessionRow, sessions

DAY_NS = 86_400 * 1_000_000_000
ALL = Page(limit=PAGE_ROWS_MAX)
RUNNING = SessionFilter(modes=("paper", "live"), states=("started", "running", "suspended"))


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One running session; quote currency. Before its first mark it is worth its cash."""

    session: SessionRow
    equity: float
    cash: float
    day_equity: float  # at the start of the day (UTC, event time) of its newest mark, or its first cash
    positions: list[PositionRow]  # open ones


class DayValue(msgspec.Struct, frozen=True):
    """What all accounts were worth at the end of a day, or by now."""

    day_ns: int  # its start, UTC
    value: float


def accounts(snapshot: Snapshot) -> list[Account]:
    """Every running session's account, in the order of their starts."""
    found = sessions(snapshot, RUNNING, ALL).rows
    newest = _newest(snapshot, [row.session for row in found])
    made = []
    for row in found:
        at_ns, equity, cash = newest.get(row.session, (0, row.cash, row.cash))
        day = _before(snapshot, row.session, at_ns - at_ns % DAY_NS)
        held = positions(snapshot, Scope(session=row.session), ALL, open_only=True).rows
        made.append(
            Account(
                session=row,
                equity=equity,
                cash=cash,
                day_equity=row.cash if day is None else day,
                positions=held,
            )
        )
    return made


def daily_values(snapshot: Snapshot, days: int) -> list[DayValue]:
    """Worth of all accounts at the end of each of the last days on which one of them was marked, oldest first.

    A session counts from the day of its first mark on, with its newest mark until then.
    """
    marks = snapshot.rows(
        f"SELECT session, ts_event_ns // {DAY_NS} AS day, arg_max(equity, ordinal) FROM equity"
        f" WHERE {snapshot.made('equity')} AND session IN (SELECT unnest(?)) GROUP BY ALL ORDER BY day",
        [list(_names(snapshot, [row.session for row in sessions(snapshot, RUNNING, ALL).rows]))],
    )
    worth: dict[int, float] = {}
    values: dict[int, float] = {}
    for session, day, equity in marks:
        worth[session] = equity
        values[day] = sum(worth.values())
    return [DayValue(day * DAY_NS, value) for day, value in list(values.items())[-days:]]


def total(accounts: Iterable[Account]) -> tuple[float, float, float, float]:
    """Worth, cash, worth at the start of the day, and the cash that was brought in."""
    worth = cash = day = brought = 0.0
    for one in accounts:
        worth, cash = worth + one.equity, cash + one.cash
        day, brought = day + one.day_equity, brought + one.session.cash
    return worth, cash, day, brought


def _names(snapshot: Snapshot, sessions: list[str]) -> dict[int, str]:
    """Sessions by their numbers."""
    return dict(snapshot.rows("SELECT number, session FROM sessions WHERE session IN (SELECT unnest(?))", [sessions]))


def _newest(snapshot: Snapshot, sessions: list[str]) -> dict[str, tuple[int, float, float]]:
    """Event time, equity and cash of the newest mark of each session that has one."""
    names = _names(snapshot, sessions)
    rows = snapshot.rows(
        "SELECT session, arg_max(ts_event_ns, ordinal), arg_max(equity, ordinal), arg_max(cash, ordinal) FROM equity"
        f" WHERE {snapshot.made('equity')} AND session IN (SELECT unnest(?)) GROUP BY session",
        [list(names)],
    )
    return {names[number]: (at_ns, equity, cash) for number, at_ns, equity, cash in rows}


def _before(snapshot: Snapshot, session: str, until_ns: int) -> float | None:
    """Equity of a session's last mark before an instant."""
    row = snapshot.one(
        f"SELECT arg_max(equity, ordinal) FROM equity WHERE {snapshot.made('equity')} AND ts_event_ns < ?"
        " AND session = (SELECT number FROM sessions WHERE session = ?)",
        [until_ns, session],
    )
    return None if row is None or row[0] is None else float(row[0])
