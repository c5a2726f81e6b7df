"""Copies of the views in a file of their own, each as of one sequence."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import msgspec
import structlog

from events.errors import ReadModelUnavailable
from projections.duckdb.store import DuckStore, Snapshot, remove
from projections.explorer.views import ROWS_MAX, ROWS_SLACK, VIEWS, View

_COPY = "explorer_copy"

log = structlog.get_logger(__name__)


class Copy(msgspec.Struct, kw_only=True):
    """A file that holds the views, and nothing else, as of a sequence of a tape. Times are of the monotonic clock."""

    path: Path
    sequence: int
    epoch: str
    current_ns: int = 0  # when it was last known to show all there is; its making is begun then
    took_ns: int = 0  # from then until it could be asked


def publish(store: DuckStore, path: Path, before: Copy | None = None) -> Copy:
    """Copy the views as they are to a file that is whole when it has its name.

    With a copy of `before`, views that grow are taken from it and only what came since is added.

    Raises:
        ReadModelUnavailable: no reader became free, the read model is being rebuilt, or the file cannot be made.
    """
    making = path.with_suffix(".making")
    try:
        made = _made(store, making, before)
        making.replace(path)
    except (OSError, duckdb.Error) as error:
        if before is not None:
            log.warning("explorer_copy_from_the_beginning", error=str(error))
            return publish(store, path)
        raise ReadModelUnavailable(f"The copy of the views is not made: {str(error).splitlines()[0]}") from error
    finally:
        remove(making)
    return msgspec.structs.replace(made, path=path)


def _made(store: DuckStore, making: Path, before: Copy | None) -> Copy:
    remove(making)
    with store.read() as snapshot:
        after = None
        if before is not None and before.epoch == snapshot.epoch and before.sequence <= snapshot.sequence:
            after = before.sequence
            shutil.copyfile(before.path, making)
        snapshot.rows(f"DETACH DATABASE IF EXISTS {_COPY}")  # of a copy that did not end in order
        snapshot.rows(f"ATTACH '{str(making).replace(chr(39), chr(39) * 2)}' AS {_COPY}")
        try:
            for view in VIEWS:
                _bring(snapshot, view, after)
        finally:
            snapshot.rows(f"DETACH {_COPY}")
        return Copy(path=making, sequence=snapshot.sequence, epoch=snapshot.epoch)


def _bring(snapshot: Snapshot, view: View, after: int | None) -> None:
    """Bring one view to a snapshot, from what the copy has of it as of `after`."""
    if after is None or not view.grows:
        snapshot.rows(f"CREATE OR REPLACE TABLE {_COPY}.{view.name} AS {view.select(snapshot)}")
        return
    for statement in view.renewed(snapshot, _COPY, after):
        snapshot.rows(statement)
    there = f"{_COPY}.{view.name}"
    if snapshot.count(f"SELECT count(*) FROM {there}") > ROWS_MAX + ROWS_SLACK:
        oldest = f"SELECT sequence FROM {there} ORDER BY sequence DESC LIMIT 1 OFFSET {ROWS_MAX - 1}"
        snapshot.rows(f"DELETE FROM {there} WHERE sequence < ({oldest})")


def copy_path(store: DuckStore, name: str) -> Path:
    """Where a copy of a name is; beside the file of the read model, which one process holds at a time."""
    return store.path.with_name(f"{store.path.stem}.explorer-{name}.duckdb")


def forget(store: DuckStore) -> None:
    """Delete copies that a process which was killed has left."""
    for path in store.path.parent.glob(f"{store.path.stem}.explorer-*"):
        remove(path)
