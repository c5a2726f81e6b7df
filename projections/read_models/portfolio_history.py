"""What live and paper sessions were worth day by day, those that have ended too. Queries only."""

from __future__ import annotations

from collections import defaultdict

import msgspec
import numpy as np

from events.errors import InvalidInput
from events.symbols import SHOWN_CHARACTERS, SHOWN_MAX
from projections.duckdb.store import Snapshot
from projections.read_models.answers import PAGE_ROWS_MAX, Page
from projections.read_models.portfolio import DAY_NS, MODES, RUNNING, names_of, usual
from projections.read_models.sessions import STATES_OVER, SessionFilter, SessionRow, sessions

RAN = SessionFilter(modes=MODES)
NEWEST = Page(limit=PAGE_ROWS_MAX, newest_first=True)  # sessions that are counted

Marks = dict[str, dict[int, float]]  # by session and day: equity of its last mark of the day


class DayValue(msgspec.Struct, frozen=True):
    """What all accounts of one currency were worth at the end of a day, or by now."""

    day_ns: int  # its start, UTC
    value: float


def daily_values(snapshot: Snapshot, days: int, currency: str | None = None) -> tuple[str, list[DayValue]]:
    """Worth of all accounts of a currency at the end of each of the last days on which one of them was marked.

    Oldest first; and the currency: where none is named that of most running sessions, else of most that ran. A session
    counts from the day of its first mark to that of its last, or on while it runs, with its newest mark until then; but
    not on days on which a session counts that went on with its account (`lines_of`).
    """
    ran = sessions(snapshot, RAN, NEWEST).rows[::-1]
    currencies = _currencies(snapshot, ran)
    if currency is None:
        currency = usual(currencies[row.session] for row in ran if row.state in RUNNING.states)
        currency = currency or usual(currencies.values())
    mine = [row for row in ran if currencies[row.session] == currency]
    marks = _marks(snapshot, mine)
    marked = sorted({day for own in marks.values() for day in own})
    worth = sum((_line_worth(line, marks, marked) for line in lines_of(mine)), np.zeros(len(marked)))
    values = [DayValue(day * DAY_NS, value) for day, value in zip(marked, worth.tolist(), strict=True)]
    return currency, values[-days:]


def lines_of(ran: list[SessionRow]) -> list[list[SessionRow]]:
    """Sessions in order of start, as accounts: one goes on with the account of the user's session of its mode that had
    ended before, the last of those with which none went on yet. One that was replaced makes room for the next.
    """
    lines: list[list[SessionRow]] = []
    free: dict[tuple[str, str], list[list[SessionRow]]] = defaultdict(list)
    for row in ran:
        own = free[row.user, row.mode]
        over = [line for line in own if _made_room(line[-1], row)]
        line = max(over, key=lambda one: one[-1].changed_at, default=[])
        if not line:
            lines.append(line)
            own.append(line)
        line.append(row)
    return lines


def _made_room(before: SessionRow, row: SessionRow) -> bool:
    ended = before.state in STATES_OVER and before.changed_at < row.started_at
    return ended or before.reason == "replaced"  # which ends behind the start that replaces it


def _line_worth(line: list[SessionRow], marks: Marks, days: list[int]) -> np.ndarray:
    """float64[days] of an account: of the last of its sessions that counts on the day; 0 where none does."""
    worth = np.zeros(len(days))
    for row in line:
        own = marks.get(row.session)
        if not own:
            continue
        first, last = np.searchsorted(days, [min(own), max(own)]).tolist()
        until = last + 1 if row.state in STATES_OVER else len(days)
        newest = 0.0
        for at in range(first, until):
            newest = worth[at] = own.get(days[at], newest)
    return worth


def _currencies(snapshot: Snapshot, rows: list[SessionRow]) -> dict[str, str]:
    """The quote currency of each session's instruments."""
    return dict(
        snapshot.rows(
            "SELECT session, coalesce(spec->>'$.instruments[0].quote', '') FROM sessions"
            " WHERE session IN (SELECT unnest(?)) ORDER BY number",
            [[row.session for row in rows]],
        )
    )


def _marks(snapshot: Snapshot, rows: list[SessionRow]) -> Marks:
    names = names_of(snapshot, [row.session for row in rows])
    found: Marks = defaultdict(dict)
    for number, day, equity in snapshot.rows(
        f"SELECT session, ts_event_ns // {DAY_NS} AS day, arg_max(equity, ordinal) FROM equity"
        f" WHERE {snapshot.made('equity')} AND session IN (SELECT unnest(?)) GROUP BY ALL",
        [list(names)],
    ):
        found[names[number]][day] = equity
    return found


def check_currency(snapshot: Snapshot, currency: str) -> None:
    """Refuse a currency in which no instrument is quoted, nor ever was as of the snapshot.

    Raises:
        InvalidInput: it is none; the message names those there are.
    """
    known = snapshot.rows(
        f"SELECT DISTINCT quote FROM instruments WHERE sequence_from <= {snapshot.sequence} AND quote <> ''"
        " ORDER BY quote"
    )
    names = [name for (name,) in known]
    if currency not in names:
        listed = ", ".join(names[:SHOWN_MAX]) or "none yet"
        raise InvalidInput(
            f"No instrument is quoted in {currency[:SHOWN_CHARACTERS]!r}. Currencies: {listed}.", field="currency"
        )
