"""What is recorded or being recorded: recordings, and collect sessions that are none yet."""

from __future__ import annotations

import msgspec

from projections.duckdb.store import Snapshot
from projections.read_models.answers import Listed, Page, listed
from projections.read_models.sessions import NOT_OVER

_COLUMNS = "name, state, source, description, symbols, kinds, row_count, opened_ns, first_event_ns, last_event_ns"


class RecordedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A recording, or a collect session whose recording is told when it ends. Times in ns UTC, of rows 0 until then."""

    name: str
    state: str  # open, complete or abandoned
    source: str
    description: str
    symbols: list[str]
    kinds: list[str]
    rows: int  # while it is open: as told last
    opened_ns: int
    first_event_ns: int
    last_event_ns: int


def recorded(snapshot: Snapshot, page: Page) -> Listed[RecordedRow]:
    """All of them in the order in which they were opened or started."""
    both = f"({_of_recordings(snapshot)} UNION ALL {_of_sessions(snapshot)})"
    total = snapshot.count(f"SELECT count(*) FROM {both}")
    rows = snapshot.rows(f"SELECT {_COLUMNS} FROM {both} {page.sql('begun')}")
    return listed([_row(row) for row in rows], total, page)


def _of_recordings(snapshot: Snapshot) -> str:
    """One that is open has the rows that were told last."""
    told = f"SELECT p.row_count FROM recording_progress p WHERE p.recording = o.recording AND {snapshot.current('p')}"
    return (
        "SELECT o.opened_at AS begun, o.recording AS name, o.state, o.source, o.description, o.symbols, o.kinds,"
        f" if(o.state = 'open', coalesce(({told}), 0), o.row_count) AS row_count,"
        f" o.opened_ns, o.first_event_ns, o.last_event_ns FROM recordings o WHERE {snapshot.current('o')}"
    )


def _of_sessions(snapshot: Snapshot) -> str:
    """Its kinds are those of its source's newest recording, as they will be of its own."""
    kinds = (
        f"SELECT arg_max(k.kinds, k.opened_at) FROM recordings k WHERE {snapshot.current('k')}"
        " AND k.source = s.source AND k.origin <> 'collect'"
    )
    told = f"SELECT recording FROM recordings r WHERE {snapshot.current('r')}"
    return (
        f"SELECT s.sequence, s.session, if({NOT_OVER}, 'open', 'abandoned'), s.source,"
        " coalesce(nullif(s.name, ''), 'collected of source ' || s.source), s.symbols,"
        f" coalesce(({kinds}), '[]'), v.collected, s.started_ns, 0, 0"
        " FROM sessions s JOIN session_states v ON v.session = s.number"
        f" WHERE {snapshot.made('s')} AND {snapshot.current('v')} AND s.mode = 'collect' AND s.session NOT IN ({told})"
    )


def _row(row: tuple) -> RecordedRow:
    values = dict(zip(RecordedRow.__struct_fields__, row, strict=True))
    for name in ("symbols", "kinds"):
        values[name] = msgspec.json.decode(values[name])
    return RecordedRow(**values)
