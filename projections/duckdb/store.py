"""One DuckDB file: a single writer, a bounded pool of readers, the checkpoint in the writer's transaction."""

from __future__ import annotations

import contextlib
import hashlib
import math
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import msgspec
import numpy as np

from events.errors import InvalidInput, ReadModelUnavailable
from projections.as_of import AsOf, parse
from projections.batch import Checkpoint
from projections.duckdb.tables import Table, Writer

# Raised when what events do to the tables changes without a change of the tables: older files are built again.
MEANING = 2

MOMENTS = Table("moments", (("sequence", "BIGINT"), ("appended_ns", "BIGINT")), ("sequence",))
_META = "CREATE TABLE meta (schema_id VARCHAR, epoch VARCHAR, checkpoint BIGINT, digest VARCHAR, appended_ns BIGINT)"
_HASH_ROWS = 10_000
_END_SECONDS = 0.05  # between two ends of what is read


class DuckSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Named limits of the file and its readers."""

    memory_limit_mb: int = 128
    threads: int = 2
    readers_max: int = 8  # queries at once
    waiting_max: int = 256  # queries that wait for a reader
    reader_seconds_max: float = 5.0  # waiting and running together
    close_seconds_max: float = 10.0  # that a close waits for a write, and then for a reader


class Unusable(Exception):
    """The file is damaged, or was built by another release: it is thrown away and built again."""


class Snapshot:
    """Reads as of one sequence. Whatever is applied meanwhile, every query here sees the tables as of `sequence`.

    Rows that nothing ends are visible when `sequence` of theirs is not later; versions of a row have `sequence_from`
    and `sequence_to` and are visible in between.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, sequence: int, epoch: str) -> None:
        self._cursor = cursor
        self.sequence = sequence
        self.epoch = epoch

    def made(self, table: str) -> str:
        """Condition: rows of an append-only table that exist."""
        return f"{table}.sequence <= {self.sequence}"

    def current(self, table: str) -> str:
        """Condition: versions that hold."""
        return (
            f"({table}.sequence_from <= {self.sequence}"
            f" AND ({table}.sequence_to IS NULL OR {table}.sequence_to > {self.sequence}))"
        )

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple]:
        """All rows of a statement that bounds its own number of rows."""
        return self._cursor.execute(statement, list(values)).fetchall()

    def one(self, statement: str, values: Sequence[object] = ()) -> tuple | None:
        """The first row."""
        return self._cursor.execute(statement, list(values)).fetchone()

    def count(self, statement: str, values: Sequence[object] = ()) -> int:
        """The number in the first column of the first row."""
        row = self.one(statement, values)
        return int(row[0]) if row and row[0] is not None else 0

    def arrays(self, statement: str, values: Sequence[object] = ()) -> dict[str, np.ndarray]:
        """One array per column."""
        return self._cursor.execute(statement, list(values)).fetchnumpy()

    def interrupt(self) -> None:
        """End the running query; called from another thread."""
        self._cursor.interrupt()


class DuckStore:
    """The file of one process."""

    def __init__(self, path: Path, tables: Sequence[Table], settings: DuckSettings | None = None) -> None:
        self.path = path
        self.tables = (*tables, MOMENTS)
        self.settings = settings or DuckSettings()
        self._writing = threading.RLock()
        self._free = threading.BoundedSemaphore(self.settings.readers_max)
        self._cursors: list[duckdb.DuckDBPyConnection] = []  # that nobody reads with
        self._reading: list[duckdb.DuckDBPyConnection] = []
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._closed = False
        self._writer: Writer | None = None
        self._checkpoint = Checkpoint()
        self._visible = 0

    @property
    def schema_id(self) -> str:
        """Hash of everything that must agree between a file and the code that reads it."""
        text = "\n".join([str(MEANING), duckdb.__version__, _META, *(table.create() for table in self.tables)])
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()

    # --- life -----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the file, or make it.

        Raises:
            Unusable: the file is damaged or of another schema.
            ReadModelUnavailable: it was closed.
        """
        with self._writing:
            self._check_goes_on()
            self._open()

    def _check_goes_on(self) -> None:
        """Behind a close the file may be another process's."""
        if self._closed:
            raise ReadModelUnavailable("The read model is closed.")

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = duckdb.connect(str(self.path), config=self._config())
            fresh = not self._connection.execute("SELECT count(*) FROM duckdb_tables()").fetchall()[0][0]
            if not fresh:
                self._read_meta(self._connection)
        except duckdb.Error as error:
            self.let_go()
            raise Unusable(f"{self.path}: {str(error).splitlines()[0]}") from error
        except Unusable:
            self.let_go()
            raise
        if fresh:
            self._make(self._connection)

    def _config(self) -> dict[str, str | bool | int | float | list[str]]:
        return {
            "memory_limit": f"{self.settings.memory_limit_mb}MB",
            "threads": self.settings.threads,
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "temp_directory": str(self.path.with_suffix(".spill")),
            "max_temp_directory_size": f"{self.settings.memory_limit_mb * 16}MB",
        }

    def _read_meta(self, connection: duckdb.DuckDBPyConnection) -> None:
        row = connection.execute("SELECT schema_id, epoch, checkpoint, digest FROM meta").fetchall()[0]
        if row[0] != self.schema_id:
            raise Unusable(f"{self.path} was built by another release.")
        self._checkpoint = Checkpoint(*row[1:])
        self._visible = self._checkpoint.sequence

    def _make(self, connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("BEGIN")
        connection.execute(_META)
        connection.execute("INSERT INTO meta VALUES (?, '', 0, '', 0)", [self.schema_id])
        for table in self.tables:
            connection.execute(table.create())
        connection.execute("COMMIT")
        self._checkpoint, self._visible = Checkpoint(), 0

    def close(self) -> None:
        """Let go for good: a thread that is about to open the file, also anew behind a discard, finds it closed.

        Raises as `let_go`.
        """
        self._closed = True  # before what an opening holds is waited for
        self.let_go()

    def let_go(self) -> None:
        """Close the file, behind the write or opening that another thread is in; what others read is ended.

        Raises:
            ReadModelUnavailable: one of them does not end.
        """
        if not self._writing.acquire(timeout=self.settings.close_seconds_max):
            raise ReadModelUnavailable("A write to the read model does not end.")
        try:
            with self._all_readers(self.settings.close_seconds_max, ended=True):
                self._drop()
        finally:
            self._writing.release()

    def _drop(self) -> None:
        for cursor in self._cursors:
            cursor.close()
        self._cursors.clear()
        self._writer = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def discard(self) -> None:
        """Close and delete the file; what is still reading has a bounded time to finish.

        Raises:
            ReadModelUnavailable: a reader did not finish, or it was closed.
        """
        with self._writing, self._all_readers(self.settings.reader_seconds_max):
            self._check_goes_on()
            self._drop()
            remove(self.path)
            self._checkpoint, self._visible = Checkpoint(), 0

    @contextlib.contextmanager
    def _all_readers(self, seconds_max: float, *, ended: bool = False) -> Iterator[None]:
        held = 0
        try:
            for _ in range(self.settings.readers_max):
                if not self._has_free(seconds_max, ended):
                    raise ReadModelUnavailable("A query of the read model does not end.")
                held += 1
            yield
        finally:
            for _ in range(held):
                self._free.release()

    def _has_free(self, seconds_max: float, ended: bool) -> bool:
        """Wait for a reader; those who read are ended over and over where they are `ended`: each may read on."""
        if not ended:
            return self._free.acquire(timeout=seconds_max)
        for _ in range(math.ceil(seconds_max / _END_SECONDS)):
            if self._free.acquire(timeout=_END_SECONDS):
                return True
            for cursor in tuple(self._reading):
                cursor.interrupt()
        return False

    def _open_connection(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            raise ReadModelUnavailable("The read model is closed, or being rebuilt.", hint="Ask again in a moment.")
        return self._connection

    # --- writing --------------------------------------------------------------------------------------------------

    @property
    def checkpoint(self) -> Checkpoint:
        """As committed last."""
        return self._checkpoint

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Writer]:
        """All or nothing, one at a time."""
        with self._writing:
            connection = self._open_connection()
            if self._writer is None:
                self._writer = Writer(connection)
            connection.execute("BEGIN")
            try:
                yield self._writer
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    connection.execute("ROLLBACK")
                raise

    def move_checkpoint(self, writer: Writer, checkpoint: Checkpoint, appended_ns: int) -> None:
        """The last statement of a transaction."""
        writer.execute(
            "UPDATE meta SET epoch = ?, checkpoint = ?, digest = ?, appended_ns = ?",
            [checkpoint.epoch, checkpoint.sequence, checkpoint.digest, appended_ns],
        )

    def committed(self, checkpoint: Checkpoint) -> None:
        """The transaction that moved the checkpoint is committed: reads may see it."""
        self._checkpoint = checkpoint
        self._visible = max(self._visible, checkpoint.sequence)

    def seen(self, sequence: int) -> None:
        """Nothing for these tables lies between the checkpoint and `sequence`."""
        self._visible = max(self._visible, sequence)

    def copy_to(self, path: Path) -> Checkpoint:
        """A whole copy of what is committed, in a file of its own; the checkpoint that the copy has.

        The copy is made through DuckDB: opening our own file a second time would drop the lock on it.
        """
        remove(path)
        with self.read() as snapshot:
            main = snapshot.one("SELECT current_database()")
            assert main is not None, "a connection has a database"
            snapshot.rows("DETACH DATABASE IF EXISTS copy_of_read_model")  # of a copy that did not end in order
            snapshot.rows(f"ATTACH '{_quoted(path)}' AS copy_of_read_model")
            try:
                snapshot.rows(f'COPY FROM DATABASE "{main[0]}" TO copy_of_read_model')
                row = snapshot.one("SELECT epoch, checkpoint, digest FROM copy_of_read_model.meta")
            finally:
                snapshot.rows("DETACH copy_of_read_model")
        assert row is not None, "meta has one row"
        return Checkpoint(*row)

    # --- reading --------------------------------------------------------------------------------------------------

    @property
    def visible(self) -> int:
        """Reads without `as_of` are as of this sequence."""
        return self._visible

    @contextlib.contextmanager
    def read(self, as_of: AsOf = None) -> Iterator[Snapshot]:
        """A snapshot as of a sequence or instant, as new as there is by default.

        Raises:
            InvalidInput: `as_of` is neither, or later than what is applied.
            ReadModelUnavailable: no reader became free within the bound, or the file is being rebuilt.
        """
        if not self._free.acquire(timeout=self.settings.reader_seconds_max):
            raise ReadModelUnavailable(f"All {self.settings.readers_max} readers of the read model are busy.")
        try:
            connection = self._open_connection()
            cursor = self._cursors.pop() if self._cursors else connection.cursor()
            self._reading.append(cursor)
            try:
                yield Snapshot(cursor, self._resolve(cursor, as_of), self._checkpoint.epoch)
            finally:
                self._reading.remove(cursor)
                self._cursors.append(cursor)
        finally:
            self._free.release()

    def _resolve(self, cursor: duckdb.DuckDBPyConnection, as_of: AsOf) -> int:
        visible = self._visible
        sequence, instant = parse(as_of)
        if instant is not None:
            row = cursor.execute(
                "SELECT min(sequence) FROM moments WHERE appended_ns > ? AND sequence <= ?", [int(instant), visible]
            ).fetchall()[0]
            return visible if row[0] is None else int(row[0]) - 1
        if sequence is None:
            return visible
        if sequence > visible:
            raise InvalidInput(
                f"as_of is {sequence}, and the read model has applied the tape up to {visible}.",
                field="as_of",
                hint="Wait for it with Tape-Min-Sequence, or ask for an earlier one.",
            )
        return sequence

    def around(self, instant: int) -> tuple[int, int | None]:
        """(last event applied that is not later than an instant, first one that is later if there is one)."""
        with self.read() as snapshot:
            later = snapshot.one("SELECT min(sequence) FROM moments WHERE appended_ns > ?", [instant])
            first_later = later[0] if later else None
            # what was seen of the tape and not applied has no moment: it may be later as well
            before = "TRUE" if first_later is None else f"sequence < {first_later}"
            row = snapshot.one(f"SELECT max(sequence) FROM moments WHERE {before}")
            return (row[0] or 0) if row else 0, first_later

    def content_hash(self) -> str:
        """Hex BLAKE2b over all rows of all tables in the order of their keys; the same for the same events."""
        digest = hashlib.blake2b(digest_size=16)
        with self.read() as snapshot:
            for table in sorted(self.tables, key=lambda one: one.name):
                digest.update(table.create().encode())
                cursor = snapshot._cursor.execute(f"SELECT * FROM {table.name} ORDER BY {', '.join(table.keys)}")
                while rows := cursor.fetchmany(_HASH_ROWS):
                    digest.update(msgspec.json.encode(rows))
        return digest.hexdigest()


def remove(path: Path) -> None:
    """Delete a file and what DuckDB keeps beside it."""
    for name in (path, path.with_name(path.name + ".wal")):
        name.unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
