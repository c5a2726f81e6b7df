"""Recordings: bounded stretches of a source, open, complete or abandoned."""

from __future__ import annotations

import msgspec

from events.errors import InvalidInput, Unknown
from events.facts import Fact, Place, RecordingAbandoned, RecordingCompleted, RecordingOpened, RecordingProgressed
from projections.batch import TapeGap
from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Writer
from projections.read_models.answers import Listed, Page, Where, listed
from projections.read_models.versions import Versions

_VALUES = (
    ("opened_at", "BIGINT"),  # sequence of `RecordingOpened`
    ("source", "VARCHAR"),
    ("origin", "VARCHAR"),
    ("description", "VARCHAR"),
    ("instruments", "VARCHAR"),  # JSON
    ("symbols", "VARCHAR"),  # JSON
    ("kinds", "VARCHAR"),  # JSON
    ("section", "VARCHAR"),
    ("designated", "VARCHAR"),
    ("mapping", "VARCHAR"),
    ("content_id", "VARCHAR"),
    ("username", "VARCHAR"),
    ("session", "VARCHAR"),
    ("opened_ns", "BIGINT"),
    ("state", "VARCHAR"),
    ("row_count", "BIGINT"),
    ("first_sequence", "BIGINT"),
    ("first_index", "BIGINT"),
    ("last_sequence", "BIGINT"),
    ("last_index", "BIGINT"),
    ("first_event_ns", "BIGINT"),
    ("last_event_ns", "BIGINT"),
    ("content_hash", "VARCHAR"),
    ("completed_ns", "BIGINT"),
    ("findings", "VARCHAR"),  # JSON
    ("reason", "VARCHAR"),
)
_NAMES = tuple(name for name, _ in _VALUES)


class Recordings:
    """Applies the facts of recordings."""

    def __init__(self) -> None:
        self._versions = Versions("recordings", (("recording", "VARCHAR"),), _VALUES)
        self._progress = Versions("recording_progress", (("recording", "VARCHAR"),), (("row_count", "BIGINT"),))
        self.tables = (self._versions.table, self._progress.table)
        self._open: dict[str, dict[str, object]] = {}  # values by recording, until nothing more can come

    def restore(self, writer: Writer) -> None:
        """Read back the recordings that are open."""
        rows = writer.execute(
            f"SELECT recording, {', '.join(_NAMES)} FROM recordings WHERE sequence_to IS NULL AND state = 'open'"
        ).fetchall()
        self._open = {row[0]: dict(zip(_NAMES, row[1:], strict=True)) for row in rows}
        self.clear()

    def apply(self, fact: Fact, sequence: int) -> None:
        """One fact of a recording.

        Raises:
            TapeGap: it ends a recording that never began.
        """
        match fact:
            case RecordingOpened():
                values = _opened(fact, sequence)
                self._open[fact.recording] = values
                self._versions.put((fact.recording,), tuple(values.values()), sequence)
            case RecordingProgressed() if fact.recording in self._open:  # one that ended elsewhere tells nothing more
                self._progress.put((fact.recording,), (fact.rows,), sequence)
            case RecordingCompleted():
                self._end(fact.recording, _completed(fact), sequence)
            case RecordingAbandoned():
                self._end(fact.recording, {"state": "abandoned", "reason": fact.reason}, sequence)

    def _end(self, recording: str, changes: dict[str, object], sequence: int) -> None:
        values = self._open.pop(recording, None)
        if values is None:
            raise TapeGap(f"Recording {recording} ends at {sequence}, and is not open.", sequence=sequence)
        values |= changes
        self._versions.put((recording,), tuple(values.values()), sequence)

    def flush(self, writer: Writer) -> None:
        """Write what was gathered."""
        self._versions.flush(writer)
        self._progress.flush(writer)

    def clear(self) -> None:
        """Forget what was gathered."""
        self._versions.clear()
        self._progress.clear()


def _opened(fact: RecordingOpened, sequence: int) -> dict[str, object]:
    values: dict[str, object] = {name: 0 if kind == "BIGINT" else "" for name, kind in _VALUES}
    values |= {
        "opened_at": sequence,
        "instruments": _json(fact.instruments),
        "symbols": _json(fact.symbols),
        "kinds": _json(fact.kinds),
        "username": fact.user,
        "session": fact.session or "",
        "state": "open",
        "findings": "[]",
    }
    for name in ("source", "origin", "description", "section", "designated", "mapping", "content_id", "opened_ns"):
        values[name] = getattr(fact, name)
    return values


def _completed(fact: RecordingCompleted) -> dict[str, object]:
    return {
        "state": "complete",
        "row_count": fact.rows,
        "first_sequence": fact.first.sequence,
        "first_index": fact.first.index,
        "last_sequence": fact.last.sequence,
        "last_index": fact.last.index,
        "first_event_ns": fact.first_event_ns,
        "last_event_ns": fact.last_event_ns,
        "content_hash": fact.content_hash,
        "completed_ns": fact.completed_ns,
        "findings": _json(fact.findings),
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


# --- queries ------------------------------------------------------------------------------------------------------


class RecordingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One recording. Rows, places and times are 0 while it is open."""

    recording: str
    opened_at: int
    source: str
    origin: str
    description: str
    instruments: list[int]
    symbols: list[str]
    kinds: list[str]
    section: str
    designated: str
    mapping: str
    content_id: str
    user: str
    session: str | None
    opened_ns: int
    state: str
    rows: int
    first: Place
    last: Place
    first_event_ns: int
    last_event_ns: int
    content_hash: str
    completed_ns: int
    findings: list[str]
    reason: str
    changed_at: int  # sequence of its last fact


class RecordingFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which recordings; all where nothing is named."""

    state: str | None = None
    source: str | None = None
    origin: str | None = None
    session: str | None = None
    content_id: str | None = None
    symbol: str | None = None


_COLUMNS = f"recording, {', '.join(_NAMES)}, sequence_from"


def recordings(
    snapshot: Snapshot, filter: RecordingFilter | None = None, page: Page | None = None
) -> Listed[RecordingRow]:
    """Recordings in the order in which they were opened."""
    filter, page = filter or RecordingFilter(), page or Page(newest_first=True)
    where = Where(snapshot.current("recordings"))
    for name in ("state", "source", "origin", "session", "content_id"):
        if (value := getattr(filter, name)) is not None:
            where.add(f"{name} = ?", value)
    if filter.symbol is not None:
        where.add("contains(symbols, ?)", _json(filter.symbol))
    total = snapshot.count(f"SELECT count(*) FROM recordings WHERE {where}", where.values)
    rows = snapshot.rows(f"SELECT {_COLUMNS} FROM recordings WHERE {where} {page.sql('opened_at')}", where.values)
    return listed([_row(row) for row in rows], total, page)


def recording(snapshot: Snapshot, name: str) -> RecordingRow:
    """The recording of an id, or of the beginning of one id.

    Raises:
        Unknown: none begins so.
        InvalidInput: several do.
    """
    where = Where(snapshot.current("recordings"))
    where.add("starts_with(recording, ?)", name)
    rows = snapshot.rows(
        f"SELECT {_COLUMNS} FROM recordings WHERE {where} ORDER BY length(recording), recording LIMIT 2", where.values
    )
    if not rows or not name:
        raise Unknown(f"There is no recording {name[:64]!r} as of sequence {snapshot.sequence}.", field="recording")
    if len(rows) > 1 and rows[0][0] != name:
        raise InvalidInput(f"Several recordings begin with {name[:64]!r}; give more of the id.", field="recording")
    return _row(rows[0])


def _row(row: tuple) -> RecordingRow:
    values = dict(zip(_NAMES, row[1:-1], strict=True))
    for name in ("instruments", "symbols", "kinds", "findings"):
        values[name] = msgspec.json.decode(values[name])
    values["user"] = values.pop("username")
    values["rows"] = values.pop("row_count")
    values["session"] = values["session"] or None
    values["first"] = Place(values.pop("first_sequence"), values.pop("first_index"))
    values["last"] = Place(values.pop("last_sequence"), values.pop("last_index"))
    return RecordingRow(recording=row[0], changed_at=row[-1], **values)
