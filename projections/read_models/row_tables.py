"""Tables of decision rows, appended as they are, each with its session, sequence, place and ordinal."""

from __future__ import annotations

import numpy as np

from events.frames import NEWEST
from events.rows import ROW_DTYPES, Rows, SectionKind
from events.stack import Layer
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


class RowTable:
    """Rows of one kind of section, gathered over a batch and inserted at its end."""

    def __init__(self, name: str, kind: SectionKind, sequence_column: str = "sequence") -> None:
        dtype = ROW_DTYPES[kind, NEWEST[kind]]
        self.kind = kind
        self.fields = fields_of(kind)
        place = tuple((sequence_column if column == "sequence" else column, form) for column, form in PLACE)
        ended = () if sequence_column == "sequence" else (("sequence_to", "BIGINT"),)
        kept = tuple((column_of(field), type_of(dtype[field])) for field in self.fields)
        self.table = Table(name, (*place, *ended, *kept), KEYS)
        self._sequence_column = sequence_column
        self._columns: dict[str, np.ndarray] = {}

    def add(self, sessions: np.ndarray, sequences: np.ndarray, layer: Layer) -> None:
        """The rows of a batch: by frame the number of its session, and its sequence."""
        length = layer.length
        index = np.arange(len(layer.rows)) - np.repeat(np.cumsum(length) - length, length)
        self._columns = {
            "session": np.repeat(sessions[layer.frame].astype("<i4"), length),
            self._sequence_column: np.repeat(sequences[layer.frame], length),
            "row_index": index.astype("<i4"),
            "ordinal": np.repeat(layer.ordinal, length) + index,
        } | {column_of(field): layer.rows[field] for field in self.fields}

    def take(self) -> dict[str, np.ndarray]:
        """The gathered rows by column, in order; none are kept."""
        columns, self._columns = self._columns, {}
        return columns

    def flush(self, writer: Writer) -> None:
        """Insert what was gathered."""
        columns = self.take()
        if columns:
            writer.insert(self.table, columns)

    def clear(self) -> None:
        """Forget what was gathered."""
        self._columns = {}

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
