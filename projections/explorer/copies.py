"""Copies of the views in a file of their own, each as of one sequence."""

from __future__ import annotations

from pathlib import Path

import msgspec

from projections.duckdb.store import DuckStore, remove
from projections.explorer.views import VIEWS


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A file that holds the views, and nothing else, as of a sequence of a tape."""

    path: Path
    sequence: int
    epoch: str


def publish(store: DuckStore, path: Path) -> Copy:
    """Copy the views as they are to a file that is whole when it has its name.

    Raises:
        ReadModelUnavailable: no reader became free, or the read model is being rebuilt.
    """
    making = path.with_suffix(".making")
    remove(making)
    try:
        with store.read() as snapshot:
            snapshot.rows(f"ATTACH '{str(making).replace(chr(39), chr(39) * 2)}' AS explorer_copy")
            try:
                for view in VIEWS:
                    snapshot.rows(f"CREATE TABLE explorer_copy.{view.name} AS {view.select(snapshot)}")
            finally:
                snapshot.rows("DETACH explorer_copy")
            made = Copy(path=path, sequence=snapshot.sequence, epoch=snapshot.epoch)
        making.replace(path)
    finally:
        remove(making)
    return made


def copy_path(store: DuckStore, name: str) -> Path:
    """Where a copy of a name is; beside the file of the read model, which one process holds at a time."""
    return store.path.with_name(f"{store.path.stem}.explorer-{name}.duckdb")


def forget(store: DuckStore) -> None:
    """Delete copies that a process which was killed has left."""
    for path in store.path.parent.glob(f"{store.path.stem}.explorer-*"):
        remove(path)
