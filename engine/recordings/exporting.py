"""Rows as tables for other programs: ticks of a recording, decisions of a session; CSV or Parquet, piece by piece.

Times are UTC with nanoseconds, numbers stand as they are on the tape, numbered things carry their names.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import msgspec
import numpy as np
import polars as pl

from engine.recordings.reading import RecordingReader, RowsInput, Window
from engine.recordings.shelf import Recording
from engine.research.metrics.trades import trades_from_fills
from engine.sessions.history import History
from engine.sessions.lanes import lanes_of
from events.errors import Conflict, InvalidInput
from events.facts import RecordingOpened, SessionSpec
from events.rows import Code, MarketKind, OrderKind, OrderStatus, Rows, SectionKind, Side, SignalKind, TimeInForce

SessionTable = Literal["orders", "fills", "trades", "equity", "signals", "denials"]
SESSION_TABLES: tuple[SessionTable, ...] = ("orders", "fills", "trades", "equity", "signals", "denials")
SECTIONS: dict[str, SectionKind] = {
    "orders": SectionKind.ORDER,
    "fills": SectionKind.FILL,
    "equity": SectionKind.MARK,
    "signals": SectionKind.SIGNAL,
    "denials": SectionKind.DENIAL,
}
PIECE_ROWS_MAX = 262_144  # of one table in memory
BY_HAND = "by hand"  # strategy of orders that a user sent

_TIME = pl.Datetime("ns", "UTC")
_WORDS: dict[str, type[IntEnum]] = {
    "side": Side,
    "status": OrderStatus,
    "time_in_force": TimeInForce,
    "code": Code,
}
_KINDS: dict[str, type[IntEnum]] = {
    "ticks": MarketKind,
    "orders": OrderKind,
    "denials": OrderKind,
    "signals": SignalKind,
}


class Span(msgspec.Struct, frozen=True):
    """Which rows: event times in [first_ns, until_ns), of these symbols; None and empty mean no bound."""

    first_ns: int | None = None
    until_ns: int | None = None
    symbols: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.first_ns is not None and self.until_ns is not None and self.until_ns <= self.first_ns:
            raise InvalidInput("The range ends before it begins.", field="until")

    def mask(self, rows: Rows, symbols: Mapping[int, str], time: str = "ts_event_ns") -> np.ndarray:
        """Which rows are meant: bool[n]."""
        wanted = np.ones(len(rows), np.bool_)
        if self.first_ns is not None:
            wanted &= rows[time] >= self.first_ns
        if self.until_ns is not None:
            wanted &= rows[time] < self.until_ns
        if self.symbols and "instrument" in (rows.dtype.names or ()):
            numbers = [number for number, symbol in symbols.items() if symbol in self.symbols]
            wanted &= np.isin(rows["instrument"], numbers)
        return wanted


# --- tables -------------------------------------------------------------------------------------------------------


async def ticks(reader: RecordingReader, recording: Recording, span: Span) -> AsyncIterator[pl.DataFrame]:
    """The rows of a recording in order with their places, at most PIECE_ROWS_MAX at a time; at least one piece.

    Raises:
        Conflict: the recording is not complete.
        InvalidInput: a symbol that it has not.
    """
    opened, whole = recording.opened, recording.whole()
    symbols = dict(zip(opened.instruments, opened.symbols, strict=True))
    _check_symbols(span, opened.symbols, f"Recording {recording.id}")
    item, given = None, False
    async for item in reader.read(Window(opened.source, whole.first, whole.last)):
        wanted = np.flatnonzero(span.mask(item.rows, symbols) & _own(item.rows, opened))
        for at in range(0, len(wanted), PIECE_ROWS_MAX):
            given = True
            yield _of_recording(item, wanted[at : at + PIECE_ROWS_MAX], symbols)
    if item is not None and not given:
        yield _of_recording(item, np.zeros(0, np.int64), symbols)


def _own(rows: Rows, opened: RecordingOpened) -> np.ndarray:
    """Which rows are a recording's: of a collect session those of its instruments, else all; bool[n]."""
    if opened.origin != "collect":
        return np.ones(len(rows), np.bool_)
    return np.isin(rows["instrument"], np.array(opened.instruments, np.int32))


def _of_recording(item: RowsInput, wanted: np.ndarray, symbols: Mapping[int, str]) -> pl.DataFrame:
    counts = np.array([count for _, count in item.places])
    sequences = np.repeat(np.array([sequence for sequence, _ in item.places]), counts)
    index = np.arange(len(item.rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    index[: counts[0]] += item.first_index
    places = {"sequence": pl.Series(sequences[wanted]), "index": pl.Series(index[wanted])}
    table = "ticks" if item.kind is SectionKind.MARKET else "bars"
    return pl.DataFrame(places | _columns(item.rows[wanted], table, symbols, {}))


def session_table(history: History, table: SessionTable, span: Span) -> pl.DataFrame:
    """Rows that a session decided, or the trades made of its fills (by their entry).

    Raises:
        InvalidInput: a symbol that the session has not.
    """
    spec = history.started.spec
    symbols = {one.number: one.symbol for one in spec.instruments}
    _check_symbols(span, tuple(symbols.values()), f"Session {spec.session}")
    if table == "trades":
        rows = trades_from_fills(history.held.rows(SectionKind.FILL, 0))
        rows = rows[span.mask(rows, symbols, "entry_ns")]
    else:
        rows = history.held.rows(SECTIONS[table], 0)
        rows = rows[span.mask(rows, symbols)]
    return pl.DataFrame(_columns(rows, table, symbols, _strategies(spec)))


def _check_symbols(span: Span, known: tuple[str, ...], owner: str) -> None:
    for symbol in span.symbols:
        if symbol not in known:
            raise InvalidInput(f"{owner} has no {symbol}; it has {', '.join(known)}.", field="symbol")


def _strategies(spec: SessionSpec) -> dict[int, str]:
    return {lane.number: lane.strategy.strategy for lane in lanes_of(spec)}


def _columns(rows: Rows, table: str, symbols: Mapping[int, str], strategies: Mapping[int, str]) -> dict[str, pl.Series]:
    found: dict[str, pl.Series] = {}
    for name in rows.dtype.names or ():
        values = pl.Series(np.ascontiguousarray(rows[name]))
        if name == "pad":
            continue
        if name.endswith("_ns") and name != "interval_ns":
            found[name.removesuffix("_ns")] = values.cast(_TIME)
        elif name == "instrument":
            found["symbol"] = _named(values, symbols, "")
        elif name == "lane":
            found["strategy"] = _named(values, strategies, BY_HAND)
        elif name == "kind" or name in _WORDS:
            words = _KINDS[table] if name == "kind" else _WORDS[name]
            found[name] = _named(values, {one.value: one.name.lower() for one in words}, "")
        elif name in ("maker", "open"):
            found[name] = values.cast(pl.Boolean)
        else:
            found[name] = values.fill_nan(None) if values.dtype.is_float() else values
    return found


def _named(numbers: pl.Series, names: Mapping[int, str], default: str) -> pl.Series:
    if not names:
        return pl.Series([default] * len(numbers), dtype=pl.String)
    return numbers.cast(pl.Int64).replace_strict(list(names), list(names.values()), default=default)


# --- files --------------------------------------------------------------------------------------------------------


class Sink(Protocol):
    """Takes tables of one shape, one behind the other."""

    def put(self, table: pl.DataFrame) -> None:
        """The next rows."""
        ...

    def close(self) -> None:
        """No more rows."""
        ...


class CsvSink:
    """CSV with one header line; times in ISO 8601 with nanoseconds."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._begun = False

    def put(self, table: pl.DataFrame) -> None:
        """See `Sink`."""
        table.write_csv(self._file, include_header=not self._begun, datetime_format="%Y-%m-%dT%H:%M:%S%.9fZ")
        self._begun = True

    def close(self) -> None:
        """See `Sink`."""
        self._file.flush()


class ParquetSink:
    """Parquet, a row group a piece, compressed with zstd."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._writer: Any = None

    def put(self, table: pl.DataFrame) -> None:
        """See `Sink`."""
        import pyarrow.parquet

        arrow = table.to_arrow()
        if self._writer is None:
            self._writer = pyarrow.parquet.ParquetWriter(  # type: ignore[no-untyped-call]
                self._file, arrow.schema, compression="zstd"
            )
        self._writer.write_table(arrow)

    def close(self) -> None:
        """See `Sink`."""
        if self._writer is not None:
            self._writer.close()


SINKS: dict[str, type[CsvSink] | type[ParquetSink]] = {"csv": CsvSink, "parquet": ParquetSink}


class FileSink:
    """A file that appears under its name when it is whole, or not at all. A context manager."""

    def __init__(self, path: Path, kind: str, *, replace: bool = False) -> None:
        if path.is_file() and not replace:
            raise Conflict(f"{path} exists.", field="out", hint="Name another file, or replace it with --force.")
        if not path.parent.is_dir():
            raise InvalidInput(f"There is no folder {path.parent}.", field="out", hint="Make it, or name another.")
        if path.exists() and not path.is_file():  # a folder, a device: renaming over it would put an end to it
            raise InvalidInput(f"{path} is no regular file.", field="out", hint="Name another file.")
        self.path = path
        self.rows = 0
        self._place = path.resolve()  # a link stays a link
        self._draft = self._place.with_name(f".{path.name}.{os.getpid()}.part")
        self._kind = kind

    def __enter__(self) -> FileSink:
        self._file = self._draft.open("xb")
        self._sink: Sink = SINKS[self._kind](self._file)
        return self

    def put(self, table: pl.DataFrame) -> None:
        """The next rows."""
        self._sink.put(table)
        self.rows += len(table)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                self._sink.close()
                self._file.flush()
                os.fsync(self._file.fileno())
                self._draft.replace(self._place)
        finally:
            self._file.close()
            self._draft.unlink(missing_ok=True)


def kind_of(path: Path, given: str | None) -> str:
    """`csv` or `parquet`, by the name of the file where not given. Raises InvalidInput."""
    kind = given or path.suffix.lstrip(".").lower()
    if kind not in SINKS:
        raise InvalidInput(
            f"{path.name} ends with neither .csv nor .parquet.", field="format", hint="Name the --format."
        )
    return kind
