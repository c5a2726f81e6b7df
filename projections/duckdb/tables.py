"""Tables of the read model as data: columns, order of rows for hashing, and inserts by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import msgspec
import numpy as np

Columns = Mapping[str, np.ndarray]

NOT_ENDED = -1  # in a column `sequence_to` while it is on its way into a table; NULL there

# DuckDB type -> numpy dtype of a column on its way into the table
_ARRAYS: dict[str, str] = {
    "BIGINT": "<i8",
    "UBIGINT": "<u8",
    "INTEGER": "<i4",
    "SMALLINT": "<i2",
    "TINYINT": "i1",
    "DOUBLE": "<f8",
    "BOOLEAN": "?",
    "VARCHAR": "O",
}
_TYPES = {np.dtype(array): name for name, array in _ARRAYS.items() if name != "VARCHAR"}


def type_of(dtype: np.dtype) -> str:
    """The DuckDB type of a field of a row dtype."""
    return _TYPES[dtype]


class Table(msgspec.Struct, frozen=True):
    """Name, columns (name, DuckDB type) in order, and the columns that order its rows."""

    name: str
    columns: tuple[tuple[str, str], ...]
    keys: tuple[str, ...]

    def create(self) -> str:
        """The statement that makes it."""
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns)
        return f"CREATE TABLE {self.name} ({columns})"

    def insert(self, connection: duckdb.DuckDBPyConnection, columns: Columns) -> None:
        """Add rows, given as one array per column; nothing happens where they are empty."""
        if not len(columns[self.columns[0][0]]):
            return
        selected = ", ".join(
            f"nullif({name}, {NOT_ENDED}) AS {name}" if name == "sequence_to" else name for name, _ in self.columns
        )
        with_arrays(connection, "incoming", columns, f"INSERT INTO {self.name} SELECT {selected} FROM incoming")

    def insert_rows(self, connection: duckdb.DuckDBPyConnection, rows: Sequence[Sequence[object]]) -> None:
        """Add rows, given as tuples in the order of the columns."""
        if rows:
            columns = zip(*rows, strict=True)
            arrays = {name: _array(values, kind) for (name, kind), values in zip(self.columns, columns, strict=True)}
            self.insert(connection, arrays)

    def end(self, connection: duckdb.DuckDBPyConnection, keys: Columns, sequences: np.ndarray) -> None:
        """Write `sequence_to` into the rows of these keys that have none yet."""
        if not len(sequences):
            return
        match = " AND ".join(f"{self.name}.{key} = ended.{key}" for key in keys)
        with_arrays(
            connection,
            "ended",
            {**keys, "ended_at": sequences},
            f"UPDATE {self.name} SET sequence_to = ended.ended_at FROM ended"
            f" WHERE {match} AND {self.name}.sequence_to IS NULL",
        )


def _array(values: Sequence[object], kind: str) -> np.ndarray:
    array = np.empty(len(values), _ARRAYS[kind])
    array[:] = values
    return array


def with_arrays(connection: duckdb.DuckDBPyConnection, name: str, columns: Columns, statement: str) -> None:
    """Run a statement in which `name` stands for the columns."""
    connection.register(name, {key: np.ascontiguousarray(values) for key, values in columns.items()})
    try:
        connection.execute(statement)
    finally:
        connection.unregister(name)
