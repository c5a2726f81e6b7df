"""Tabular files (delimited text, Parquet, feather) as blocks of typed columns with the line of each row.

Text is parsed by polars a block at a time; what it could not read is looked up in the block and named by line and
column. A line has all columns or it is wrong.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

from engine.feeds.containers import SourceFile, TextBlock, count_of
from engine.feeds.errors import BadRows, Unreadable, WrongColumns
from engine.feeds.intake import Intake
from engine.feeds.report import ROWS_NAMED_MAX, FindingCode, Lines

COLUMNS_MAX = 1_000
SHOWN_CHARACTERS = 80
SAMPLE_LINES = 20  # that tell whether a column of times holds counts or text


class Kind(StrEnum):
    """What a column holds."""

    INT = "a whole number"
    FLOAT = "a number"
    TEXT = "text"
    TIME = "a time"


_TYPES = {Kind.INT: pl.Int64, Kind.FLOAT: pl.Float64, Kind.TEXT: pl.String}


class Column(NamedTuple):
    """One column of a layout. An optional one may be missing from a header; it or a nullable one may have no value."""

    name: str
    kind: Kind
    optional: bool = False
    nullable: bool = False

    @property
    def due(self) -> bool:
        """Whether every row must have a value."""
        return not (self.optional or self.nullable)


def _same(name: str) -> str:
    return name


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of a format. With a header they may come in any order, and other ones beside them are kept as text."""

    columns: tuple[Column, ...]
    separator: str = ","
    quoted: bool = False
    header: bool = True
    lines_before: int = 0  # lines before the header (or the data)
    renamed: Callable[[str], str] = _same  # header name -> column name

    def column(self, name: str) -> Column:
        """The column of a name; one that the layout does not know is optional text."""
        return next((one for one in self.columns if one.name == name), Column(name, Kind.TEXT, True))


class Table(NamedTuple):
    """Typed columns, one row a line, and the number of each line (or record, the first being 1)."""

    frame: pl.DataFrame
    lines: Lines


def split(line: str, separator: str, *, quoted: bool = True) -> list[str]:
    """Fields of one line of text; what cannot be parsed is one field."""
    if not quoted:
        return line.split(separator) if line else []
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return [line]


def ordered_columns(source: SourceFile, layout: Layout, names: list[str], line: int = 1) -> tuple[Column, ...]:
    """The layout's columns in the order of a header.

    Raises:
        WrongColumns: a column is missing or doubled, or there are too many.
    """
    names = [layout.renamed(name.strip()) for name in names]
    missing = [one.name for one in layout.columns if not one.optional and one.name not in names]
    doubled = sorted({name for name in names if names.count(name) > 1}) if len(names) <= COLUMNS_MAX else []
    if missing or doubled or len(names) > COLUMNS_MAX:
        what = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(doubled) or 'too many columns'} twice"
        raise WrongColumns(
            f"The header of {source.name} (row {line}) {what}; it has {', '.join(names)[:200]}.", field="file"
        )
    return tuple(layout.column(name) for name in names)


class TableReader:
    """Reads one file in one layout."""

    def __init__(self, layout: Layout, intake: Intake) -> None:
        self._layout = layout
        self._intake = intake
        self._source = intake.source
        self._columns: tuple[Column, ...] = layout.columns
        self._schema: dict[str, pl.DataType | type[pl.DataType]] = {}

    def tables(self) -> Iterator[Table]:
        """The rows in order.

        Raises:
            WrongColumns: missing columns, or a line with another number of them.
            BadRows: values that cannot be read.
            Unreadable: damaged or empty.
        """
        empty = True
        for table in self._records() if self._source.binary else self._texts():
            if table.frame.height:
                empty = False
                yield table
        if empty and not self._intake.notes.rows_read:
            raise Unreadable(f"{self._source.name} has no data rows.", field="file")

    # --- text -----------------------------------------------------------------------------------------------------

    def _texts(self) -> Iterator[Table]:
        skip = self._layout.lines_before + self._layout.header
        for block in self._source.blocks():
            if skip:
                block, skip = self._behind_header(block, skip)
            if block.data:
                yield self._parsed(block)

    def _behind_header(self, block: TextBlock, skip: int) -> tuple[TextBlock, int]:
        parts = block.data.split(b"\n", skip)
        before, rest = parts[:skip], parts[skip] if len(parts) > skip else b""
        if self._layout.header and len(before) == skip:
            names = split(before[-1].rstrip(b"\r").decode(), self._layout.separator)
            line = block.first_line + skip - 1
            self._columns = ordered_columns(self._source, self._layout, names, line)
        passed = min(skip, len(before)) - self._layout.header
        self._intake.notes.add(FindingCode.SKIPPED_LINES, range(block.first_line, block.first_line + passed))
        kept = block.line_count - len(before)
        return TextBlock(block.first_line + len(before), rest, kept), skip - len(before)

    def _parsed(self, block: TextBlock) -> Table:
        data = block.data
        lines = np.arange(block.first_line, block.first_line + block.line_count, dtype=np.int64)
        if not self._schema:
            self._schema = self._typed(data)
        separators = len(lines) * (len(self._columns) - 1)
        if self._layout.quoted or count_of(data, ord(self._layout.separator)) != separators:
            data, lines = self._of_right_width(data, lines)
        try:
            frame = self._read(data)
        except pl.exceptions.PolarsError as error:
            raise Unreadable(f"{self._source.name}, near row {lines[0]}: {error}", field="file") from error
        if frame.height != len(lines):
            raise WrongColumns(
                f"{self._source.name}, rows {lines[0]} to {lines[-1]}: a quoted value goes over a line end.",
                field="file",
            )
        self._intake.notes.rows_read += len(lines)
        return self._without_bad_rows(Table(frame, lines), data)

    def _read(self, data: bytes) -> pl.DataFrame:
        return pl.read_csv(
            data,
            has_header=False,
            separator=self._layout.separator,
            quote_char='"' if self._layout.quoted else None,
            schema=self._schema,
            ignore_errors=True,
            raise_if_empty=False,
        )

    def _fields(self, line: str) -> list[str]:
        return split(line, self._layout.separator, quoted=self._layout.quoted)

    def _typed(self, data: bytes) -> dict[str, pl.DataType | type[pl.DataType]]:
        samples = [self._fields(line.decode().rstrip("\r")) for line in data.split(b"\n", SAMPLE_LINES)[:SAMPLE_LINES]]
        schema: dict[str, pl.DataType | type[pl.DataType]] = {}
        for at, column in enumerate(self._columns):
            if column.kind is Kind.TIME:
                counts = any(fields[at].lstrip("-").isdigit() for fields in samples if at < len(fields))
                schema[column.name] = pl.Int64 if counts else pl.String
            else:
                schema[column.name] = _TYPES[column.kind]
        return schema

    def _of_right_width(self, data: bytes, lines: Lines) -> tuple[bytes, Lines]:
        """The block without empty lines and without lines of too few or too many columns."""
        texts = data.decode().split("\n")[: len(lines)]
        due = len(self._columns)
        widths = np.array([len(self._fields(text.rstrip("\r"))) for text in texts])
        self._intake.notes.add(FindingCode.BLANK_LINES, lines[widths == 0])
        wrong = (widths != due) & (widths != 0)
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            if not self._intake.skips:
                raise WrongColumns(
                    f"{self._source.name}, row {lines[at]}: {widths[at]} columns, {due} are due.", field="file"
                )
            self._intake.notes.rows_read += int(wrong.sum())
            self._intake.notes.add(FindingCode.WRONG_COLUMNS, lines[wrong])
        right = widths == due
        if right.all():
            return data, lines
        kept = "".join(f"{text}\n" for text, keep in zip(texts, right, strict=True) if keep)
        return kept.encode(), lines[right]

    def _without_bad_rows(self, table: Table, data: bytes) -> Table:
        bad = self._nulls(table.frame)
        if bad is None:
            return table
        at = np.flatnonzero(bad)
        texts = data.split(b"\n")
        faults = [
            self._fault(texts[one].rstrip(b"\r").decode(), table.frame.row(int(one))) for one in at[:ROWS_NAMED_MAX]
        ]
        return self._refused_or_kept(table, bad, faults)

    def _fault(self, text: str, values: tuple[object, ...]) -> str:
        fields = self._fields(text)
        for column, field, value in zip(self._columns, fields, values, strict=True):
            if value is None and column.due:
                return f"column {column.name} is {field[:SHOWN_CHARACTERS]!r}, {column.kind.value} is due"
        return "cannot be read"

    # --- records --------------------------------------------------------------------------------------------------

    def _records(self) -> Iterator[Table]:
        from engine.feeds.records import frames

        first = 1
        for frame in frames(self._source):
            if not self._schema:
                self._columns = ordered_columns(self._source, self._layout, frame.columns)
                self._schema = {one.name: pl.Null for one in self._columns}
            frame = frame.rename(dict(zip(frame.columns, self._schema, strict=True)))
            lines = np.arange(first, first + frame.height, dtype=np.int64)
            first += frame.height
            self._intake.notes.rows_read += frame.height
            table = Table(self._typed_records(frame), lines)
            bad = self._nulls(table.frame)
            yield table if bad is None else self._refused_or_kept(table, bad, self._faults(frame, table, bad))

    def _typed_records(self, frame: pl.DataFrame) -> pl.DataFrame:
        try:
            return frame.with_columns(_cast(frame[one.name], one.kind) for one in self._columns)
        except pl.exceptions.PolarsError as error:
            raise WrongColumns(f"A column of {self._source.name} is of another type: {error}.", field="file") from error

    def _faults(self, raw: pl.DataFrame, table: Table, bad: np.ndarray) -> list[str]:
        faults = []
        for at in np.flatnonzero(bad)[:ROWS_NAMED_MAX]:
            values = table.frame.row(int(at), named=True)
            name = next(one.name for one in self._columns if values[one.name] is None and one.due)
            kind = self._layout.column(name).kind
            shown = str(raw[name][int(at)])[:SHOWN_CHARACTERS]
            faults.append(f"column {name} is {shown}, {kind.value} is due")
        return faults

    # --- both -----------------------------------------------------------------------------------------------------

    def _nulls(self, frame: pl.DataFrame) -> np.ndarray | None:
        """Which rows lack a value that is due; None where none does."""
        bad: np.ndarray | None = None
        for column in self._columns:
            if column.due and frame[column.name].null_count():
                empty = frame[column.name].is_null().to_numpy()
                bad = empty if bad is None else bad | empty
        return bad

    def _refused_or_kept(self, table: Table, bad: np.ndarray, faults: list[str]) -> Table:
        if not self._intake.skips:
            where = table.lines[bad]
            named = "; ".join(f"row {line}: {fault}" for line, fault in zip(where, faults, strict=False))
            more = f" ({len(where)} such rows so far)" if len(where) > 1 else ""
            raise BadRows(
                f"{self._source.name} has rows that cannot be read{more}: {named}.",
                field="file",
                hint="Mend the file, or give bad_rows=skip to leave such rows out and count them.",
            )
        self._intake.notes.add(FindingCode.UNPARSABLE, table.lines[bad], detail=faults[0])
        return Table(table.frame.filter(~bad), table.lines[~bad])


def _cast(column: pl.Series, kind: Kind) -> pl.Series:
    """A record column as the layout's type; unreadable values become null."""
    if kind is Kind.TIME or column.dtype == _TYPES[kind]:
        return column
    return column.cast(_TYPES[kind], strict=False)
