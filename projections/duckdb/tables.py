"""Tables of the read model as data: columns, order of rows for hashing, and inserts by column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import msgspec
import numpy as np

Columns = Mapping[str, np.ndarray]

ENDED = "sequence_to"
NOT_ENDED = -1  # in that column while it is on its way into a table; NULL there
FEW_ROWS = 200

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


class Writer:
    """The writing connection of a file, and its way of inserting: few rows by an appender, many by column.

    An appender costs a millisecond a batch and more per row than columns, which cost two a batch.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._appenders: dict[str, duckdb.Appender] = {}

    def execute(self, statement: str, values: Sequence[object] = ()) -> duckdb.DuckDBPyConnection:
        """Run a statement; its rows are fetched from what is returned."""
        return self._connection.execute(statement, list(values))

    def insert(self, table: Table, columns: Columns) -> None:
        """Add rows, given as one array per column; `NOT_ENDED` becomes NULL; nothing happens where they are empty."""
        count = len(columns[table.columns[0][0]])
        if not count:
            return
        if count <= FEW_ROWS:
            rows = zip(*(columns[name].tolist() for name, _ in table.columns), strict=True)
            self._append(table, [list(row) for row in rows])
            return
        selected = ", ".join(
            f"nullif({name}, {NOT_ENDED}) AS {name}" if name == ENDED else name for name, _ in table.columns
        )
        self._with_arrays("incoming", columns, f"INSERT INTO {table.name} SELECT {selected} FROM incoming")

    def insert_rows(self, table: Table, rows: Sequence[Sequence[object]]) -> None:
        """Add rows, given in the order of the columns; `NOT_ENDED` becomes NULL."""
        if len(rows) > FEW_ROWS:
            self.insert(table, columns_of(table.columns, rows))
        elif rows:
            self._append(table, [list(row) for row in rows])

    def _append(self, table: Table, rows: list[list[object]]) -> None:
        names = [name for name, _ in table.columns]
        if ENDED in names:
            at = names.index(ENDED)
            for row in rows:
                row[at] = None if row[at] == NOT_ENDED else row[at]
        appender = self._appenders.get(table.name)
        if appender is None:
            appender = self._appenders[table.name] = self._connection.appender(table.name)
        try:
            appender.append_rows(rows)
            appender.flush()
        except BaseException:
            appender.clear()
            raise

    def end(self, table: Table, keys: Columns, sequences: np.ndarray) -> None:
        """Write `sequence_to` into the rows of these keys that have none yet."""
        if not len(sequences):
            return
        match = " AND ".join(f"{table.name}.{key} = ended.{key}" for key in keys)
        where = f"WHERE {match} AND {table.name}.{ENDED} IS NULL"
        statement = f"UPDATE {table.name} SET {ENDED} = ended.ended_at FROM"
        if len(sequences) > FEW_ROWS:
            self._with_arrays("ended", {**keys, "ended_at": sequences}, f"{statement} ended {where}")
            return
        rows = zip(*(column.tolist() for column in (*keys.values(), sequences)), strict=True)
        values = [value for row in rows for value in row]
        marks = ", ".join([f"({', '.join('?' * (len(keys) + 1))})"] * len(sequences))
        self.execute(f"{statement} (VALUES {marks}) ended({', '.join(keys)}, ended_at) {where}", values)

    def _with_arrays(self, name: str, columns: Columns, statement: str) -> None:
        """Run a statement in which `name` stands for the columns."""
        self._connection.register(name, {key: np.ascontiguousarray(values) for key, values in columns.items()})
        try:
            self._connection.execute(statement)
        finally:
            self._connection.unregister(name)


def columns_of(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[object]]) -> dict[str, np.ndarray]:
    """Rows in the order of (name, DuckDB type) by column; at least one."""
    return {name: _array(values, kind) for (name, kind), values in zip(columns, zip(*rows, strict=True), strict=True)}


def _array(values: Sequence[object], kind: str) -> np.ndarray:
    if kind != "VARCHAR":
        return np.array(values, _ARRAYS[kind])
    array = np.empty(len(values), _ARRAYS[kind])
    array[:] = values
    return array
