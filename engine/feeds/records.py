"""Record batches of Parquet and feather files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pyarrow.ipc
import pyarrow.parquet
import pyarrow.types
from pyarrow.lib import ArrowException

from engine.feeds.containers import Container, SourceFile
from engine.feeds.errors import Unreadable, WrongColumns

BATCH_ROWS = 65_536

# pyarrow has no types of its own
_ipc: Any = pyarrow.ipc  # type: ignore[attr-defined]
_parquet: Any = pyarrow.parquet
_types: Any = pyarrow.types  # type: ignore[attr-defined]

# What damaged files raise: also names that are no text, sizes beyond the memory, and a panic of polars' own.
_DAMAGE = (
    ArrowException,
    OSError,
    MemoryError,
    UnicodeDecodeError,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
)


def schema_of(source: SourceFile) -> list[str]:
    """Names of the columns. Raises Unreadable."""
    try:
        if source.container is Container.PARQUET:
            return list(_parquet.read_schema(source.path).names)
        with _ipc.open_file(source.path) as reader:
            return list(reader.schema.names)
    except _DAMAGE as error:
        raise _broken(source, error) from error


def frames(source: SourceFile) -> Iterator[pl.DataFrame]:
    """The records in order, at most about `BATCH_ROWS` at a time.

    Raises:
        Unreadable: the file is damaged.
        WrongColumns: a column holds lists, records or the like.
    """
    try:
        for batch in _batches(source):
            _check(source, batch.schema)
            batch.validate(full=True)
            for start in range(0, batch.num_rows, BATCH_ROWS):
                frame = pl.from_arrow(batch.slice(start, BATCH_ROWS))
                assert isinstance(frame, pl.DataFrame), "a record batch is a table"
                yield frame
    except _DAMAGE as error:
        raise _broken(source, error) from error


def _check(source: SourceFile, schema: Any) -> None:
    for field in schema:
        if _types.is_nested(field.type) or _types.is_union(field.type):
            raise WrongColumns(f"Column {field.name} of {source.name} holds {field.type}.", field="file")


def _batches(source: SourceFile) -> Iterator[Any]:
    if source.container is Container.PARQUET:
        with _parquet.ParquetFile(source.path) as file:
            yield from file.iter_batches(batch_size=BATCH_ROWS)
        return
    with _ipc.open_file(source.path) as reader:
        for at in range(reader.num_record_batches):
            yield reader.get_batch(at)


def _broken(source: SourceFile, error: BaseException) -> Unreadable:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return Unreadable(
        f"{source.name} cannot be read as {source.container}: {first}.",
        field="file",
        hint="The file is cut off or damaged; fetch it again.",
    )
