"""Tables of decision rows, appended as they are, each with its session, sequence, place and ordinal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from events.frames import NEWEST, Section
from events.rows import ROW_DTYPES, Rows, SectionKind
from projections.duckdb.store import Snapshot
from projections.duckdb.tables import Table, Writer, type_of
from projections.read_models.answers import Scope, Where, bounded, number_of

PAD = "pad"
# fields whose names SQL wants for itself
_COLUMNS = {"order": "order_number", "limit": "bound"}
PLACE = (("session", "INTEGER"), ("sequence", "BIGINT"), ("row_index", "INTEGER"), ("ordinal", "BIGINT"))
KEYS = ("session", "ordinal")


def column_of(field: str) -> str:
    """The column of a field of a row dtype."""
    return _COLUMNS.get(field, field)


def fields_of(kind: SectionKind) -> list[str]:
    """Fields of a kind's rows that are kept: all but padding."""
    return [name for name in ROW_DTYPES[kind, NEWEST[kind]].names or () if name != PAD]


class _Part(NamedTuple):
    session: int
    sequence: int
    section: Section


class RowTable:
    """Rows of one kind of section, gathered over a batch and inserted at its end."""

    def __init__(self, name: str, kind: SectionKind, sequence_column: str = "sequence") -> None:
        dtype = ROW_DTYPES[kind, NEWEST[kind]]
        self.kind = kind
        self._dtype = dtype
        self.fields = fields_of(kind)
        place = tuple((sequence_column if column == "sequence" else column, form) for column, form in PLACE)
        ended = () if sequence_column == "sequence" else (("sequence_to", "BIGINT"),)
        kept = tuple((column_of(field), type_of(dtype[field])) for field in self.fields)
        self.table = Table(name, (*place, *ended, *kept), KEYS)
        self._sequence_column = sequence_column
        self._parts: list[_Part] = []

    def add(self, session: int, sequence: int, section: Section) -> None:
        """The rows of one section of one decision."""
        self._parts.append(_Part(session, sequence, section))

    def take(self) -> dict[str, np.ndarray]:
        """The gathered rows by column, in order; none are kept."""
        parts, self._parts = self._parts, []
        if not parts:
            return {}
        # joining bytes: `np.concatenate` works out a common dtype of packed rows anew for every part
        rows = np.frombuffer(b"".join([part.section.rows.tobytes() for part in parts]), self._dtype)
        lengths = np.fromiter((len(part.section.rows) for part in parts), "<i8", len(parts))
        index = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        ordinals = np.fromiter((part.section.ordinal for part in parts), "<i8", len(parts))
        sessions = np.fromiter((part.session for part in parts), "<i4", len(parts))
        sequences = np.fromiter((part.sequence for part in parts), "<i8", len(parts))
        columns = {
            "session": np.repeat(sessions, lengths),
            self._sequence_column: np.repeat(sequences, lengths),
            "row_index": index.astype("<i4"),
            "ordinal": np.repeat(ordinals, lengths) + index,
        }
        return columns | {column_of(field): rows[field] for field in self.fields}

    def flush(self, writer: Writer) -> None:
        """Insert what was gathered."""
        columns = self.take()
        if columns:
            writer.insert(self.table, columns)

    def clear(self) -> None:
        """Forget what was gathered."""
        self._parts.clear()

    def export(self, snapshot: Snapshot, session: str, scope: Scope | None = None) -> Rows:
        """The rows of a session as the loop wrote them, in ordinal order, `pad` zero; bounded by event time.

        Raises:
            Unknown: no such session as of the snapshot.
            LimitReached: too many at once.
        """
        name = self.table.name
        where = Where(f"{self._sequence_column} <= {snapshot.sequence}")
        where.add("session = ?", number_of(snapshot, session))
        (scope or Scope()).in_time(where, name)
        bounded(snapshot.count(f"SELECT count(*) FROM {name} WHERE {where}", where.values), name)
        columns = ", ".join(column_of(field) for field in self.fields)
        arrays = snapshot.arrays(f"SELECT {columns} FROM {name} WHERE {where} ORDER BY ordinal", where.values)
        rows = np.zeros(len(arrays[column_of(self.fields[0])]), ROW_DTYPES[self.kind, NEWEST[self.kind]])
        for field in self.fields:
            rows[field] = arrays[column_of(field)]
        return rows
