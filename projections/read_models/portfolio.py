"""The portfolio: all live and paper sessions that run, as one account. Queries only; it keeps no table of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from events.facts import SessionSpec
from projections.duckdb.store import Snapshot
from projections.read_models.answers import PAGE_ROWS_MAX, Page, Scope, number_of
from projections.read_models.equity import newest_mark
from projections.read_models.lanes import lane_rows
from projections.read_models.positions import PositionRow, positions
from projections.read_models.sessions import SessionFilter, SessionRow, sessions, spec

DAY_NS = 86_400 * 1_000_000_000
ALL = Page(limit=PAGE_ROWS_MAX)
MODES = ("paper", "live")
RUNNING = SessionFilter(modes=MODES, states=("started", "running", "suspended"))


class Lot(msgspec.Struct, frozen=True):
    """What an account holds of one instrument by one strategy."""

    held: PositionRow
    instrument: int  # its number


class Mark(msgspec.Struct, frozen=True):
    """What a session last said of its account, quote currency. Nothing was filled since: each fill is marked."""

    ts_event_ns: int  # loop time of the row at which it was made; 0: before the first mark
    cash: float
    equity: float  # cash, and what is held at the last prices that the session has read
    exposure: float = 0.0  # what is held, without signs
    sequence: int = 0  # of its decision


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One running session, in its own currency. Before its first mark it is worth its cash."""

    session: SessionRow
    currency: str  # the quote currency of its instruments
    mark: Mark  # the newest
    day_equity: float  # at the start of the day (UTC, event time) of its newest mark, or its first cash
    lots: list[Lot]  # open ones


def currency_of(spec: SessionSpec) -> str:
    """The quote currency of a session's instruments, of which it has one: what its cash is counted in."""
    return spec.instruments[0].quote if spec.instruments else ""


def usual(currencies: Iterable[str]) -> str:
    """The currency that most have, the first among equals; empty where there is none."""
    found = Counter(currencies).most_common(1)
    return found[0][0] if found else ""


def accounts(snapshot: Snapshot) -> list[Account]:
    """Every running session's account, in the order of their starts."""
    found = sessions(snapshot, RUNNING, ALL).rows
    made = []
    for row in found:
        mark = _newest(snapshot, row)
        day = _before(snapshot, row.session, mark.ts_event_ns // DAY_NS * DAY_NS)
        terms = spec(snapshot, row.session)
        made.append(
            Account(
                session=row,
                currency=currency_of(terms),
                mark=mark,
                day_equity=row.cash if day is None else day,
                lots=_lots(snapshot, terms),
            )
        )
    return made


def _lots(snapshot: Snapshot, terms: SessionSpec) -> list[Lot]:
    held = positions(snapshot, Scope(session=terms.session), ALL, open_only=True).rows
    numbers = {lane: number for _, lane, _, _, number, _ in lane_rows(0, terms)}
    return [Lot(one, numbers[one.lane]) for one in held]


def names_of(snapshot: Snapshot, sessions: list[str]) -> dict[int, str]:
    """Sessions by their numbers."""
    return dict(snapshot.rows("SELECT number, session FROM sessions WHERE session IN (SELECT unnest(?))", [sessions]))


def _newest(snapshot: Snapshot, row: SessionRow) -> Mark:
    """The newest mark of a session, or what it is worth before its first one."""
    found = newest_mark(snapshot, row.session)
    if found is None:
        return Mark(0, row.cash, row.cash)
    return Mark(*(getattr(found, name) for name in Mark.__struct_fields__))


def _before(snapshot: Snapshot, session: str, until_ns: int) -> float | None:
    """Equity of a session's last mark before an instant."""
    row = snapshot.one(
        f"SELECT equity FROM equity WHERE {snapshot.made('equity')} AND ts_event_ns < ? AND session = ?"
        " ORDER BY ordinal DESC LIMIT 1",  # found from the end: an aggregate would read every mark
        [until_ns, number_of(snapshot, session)],
    )
    return None if row is None else float(row[0])
