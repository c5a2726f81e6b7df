"""Rows that change: each version has the sequence that made it and the one that ended it."""

from __future__ import annotations

import numpy as np

from projections.duckdb.tables import NOT_ENDED, Table, Writer

VERSION = (("sequence_from", "BIGINT"), ("sequence_to", "BIGINT"))

Key = tuple[object, ...]
Values = tuple[object, ...]


class Versions:
    """Versions of the rows of one table, gathered over a batch.

    The first columns of the table are the key, then come the values, then `sequence_from` and `sequence_to`. Several
    changes at one sequence are one version: the last of them, whatever the batch.
    """

    def __init__(self, name: str, key: tuple[tuple[str, str], ...], values: tuple[tuple[str, str], ...]) -> None:
        self._key = tuple(column for column, _ in key)
        self.table = Table(name, (*key, *values, *VERSION), (*self._key, "sequence_from"))
        self._kinds = dict(self.table.columns)
        self._rows: list[list[object]] = []
        self._newest: dict[Key, list[object]] = {}  # made in this batch, not ended
        self._ended: dict[Key, int] = {}  # made before this batch, ended in it

    def put(self, key: Key, values: Values, sequence: int, *, first: bool = False) -> None:
        """A new version; `first` says that the key is new, which saves a search for the version before."""
        newest = self._newest.get(key)
        if newest is not None and newest[-2] == sequence:
            newest[len(key) : -2] = values
            return
        if newest is not None:
            newest[-1] = sequence
        elif not first:
            self._ended[key] = sequence
        row = [*key, *values, sequence, NOT_ENDED]
        self._rows.append(row)
        self._newest[key] = row

    def flush(self, writer: Writer) -> None:
        """End the versions of earlier batches and insert those of this one."""
        if self._ended:
            columns = zip(*self._ended, strict=True)
            keys = {
                name: np.array(values, dtype=object if self._kinds[name] == "VARCHAR" else None)
                for name, values in zip(self._key, columns, strict=True)
            }
            writer.end(self.table, keys, np.array(list(self._ended.values()), "<i8"))
        writer.insert_rows(self.table, self._rows)
        self.clear()

    def clear(self) -> None:
        """Forget what was gathered."""
        self._rows.clear()
        self._newest.clear()
        self._ended.clear()
