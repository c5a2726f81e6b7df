"""Writing rows to QuestDB with its own client: line protocol over HTTP, one table and one commit a batch.

The server's acknowledgement is a commit to its write-ahead log: neither fsynced nor visible yet. An error may leave
part of a batch committed; the same batch is sent again and the tables' keys make it one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from events.errors import ReadModelUnavailable
from projections.market_columns import Columns
from projections.market_store import Limits
from projections.questdb.access import Access
from projections.questdb.tables import Table, bucket_of

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped]
    from questdb import Sender

log = structlog.get_logger(__name__)

BUFFER_BYTES_START = 8 << 20
BUFFER_BYTES_MAX = 256 << 20  # 200,000 rows of 190 bytes are 38 MB


class Ingest:
    """One connection for writing. Not for several threads at once."""

    def __init__(self, access: Access, limits: Limits) -> None:
        self._access = access
        self._limits = limits
        self._sender: Sender | None = None

    def write(self, table: Table, columns: Columns) -> None:
        """Commit the rows, batch by batch.

        Raises:
            ReadModelUnavailable: a batch failed `write_tries_max` times.
        """
        for batch in columns.batches(self._limits.batch_rows_max):
            self._commit(table, data_frame(table, batch))

    def _commit(self, table: Table, frame: pandas.DataFrame) -> None:
        from questdb import QuestDBError

        symbols: list[str] = [name for name, kind in table.columns if kind == "SYMBOL"]
        for attempt in range(1, self._limits.write_tries_max + 1):
            try:
                sender = self._connected()
                sender.dataframe(frame, table_name=table.name, symbols=symbols, at="ts")
                sender.flush(transactional=True)
                return
            except QuestDBError as error:
                self.close()
                log.warning("questdb_write_failed", table=table.name, rows=len(frame), tries=attempt, error=str(error))
                failed = error
        raise ReadModelUnavailable(
            f"QuestDB did not take {len(frame)} rows of {table.name} in {self._limits.write_tries_max} tries: {failed}",
            hint="See `tapedeck doctor`; nothing is lost, the tape has them.",
        ) from failed

    def _connected(self) -> Sender:
        if self._sender is None:
            import questdb
            from questdb import Protocol, Sender

            # each reconnection of ours follows a failed write or a reset, and is logged
            questdb.WARN_HIGH_RECONNECTS = False  # type: ignore[attr-defined]
            access = self._access
            seconds = round(self._limits.write_seconds_max * 1000)
            sender = Sender(
                Protocol.Https if access.secure else Protocol.Http,
                access.host,
                access.port,
                username=access.user or None,
                password=access.password or None,
                auto_flush=False,
                retry_timeout=seconds // 10,  # the client's own tries of one flush
                request_timeout=seconds,
                init_buf_size=BUFFER_BYTES_START,
                max_buf_size=BUFFER_BYTES_MAX,
            )
            sender.establish()  # type: ignore[no-untyped-call]
            self._sender = sender
        return self._sender

    def close(self) -> None:
        """Drop the connection and what it has not sent."""
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close(flush=False)


def data_frame(table: Table, columns: Columns) -> pandas.DataFrame:
    """The columns of a table in the client's own terms; each array is laid out in one piece, once."""
    import pandas

    data: dict[str, Any] = {"ts": np.ascontiguousarray(columns.rows["ts_event_ns"]).view("M8[ns]")}
    owners = list(columns.owners)
    if table.owner == "session":
        buckets = [bucket_of(owner) for owner in owners]
        known = list(dict.fromkeys(buckets))
        codes = np.array([known.index(bucket) for bucket in buckets], "<i4")[columns.codes]
        data["bucket"] = pandas.Categorical.from_codes(codes, known)
    data[table.owner] = pandas.Categorical.from_codes(columns.codes, owners)
    for name in table.stored:
        if name != "ts_event_ns":
            data[name] = _column(name, columns)
    return pandas.DataFrame(data, copy=False)


def _column(name: str, columns: Columns) -> Any:
    if name in ("sequence", "index", "ordinal"):
        return getattr(columns, name)
    values = np.ascontiguousarray(columns.rows[name])
    if name != "instrument":
        return values
    import pandas

    numbers, codes = np.unique(values, return_inverse=True)
    return pandas.Categorical.from_codes(codes.astype("<i4"), [str(number) for number in numbers])
