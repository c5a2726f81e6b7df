"""Hashes that name contents: of packed rows in order, and of an import (file bytes and mapping)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from engine.feeds.errors import Unreadable
from events.rows import Rows

DIGEST_BYTES = 32
READ_BYTES = 1024 * 1024


class ContentHash:
    """BLAKE2b-256 over packed rows in order; how the rows are cut into chunks makes no difference."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=DIGEST_BYTES)
        self.rows = 0

    def add(self, rows: Rows) -> None:
        """The next rows."""
        self._hash.update(np.ascontiguousarray(rows).view(np.uint8).data)
        self.rows += len(rows)

    def hexdigest(self) -> str:
        """64 lower-case hexadecimal digits."""
        return self._hash.hexdigest()


def content_hash(chunks: Iterable[Rows]) -> str:
    """Hash of all rows in order."""
    whole = ContentHash()
    for rows in chunks:
        whole.add(rows)
    return whole.hexdigest()


def file_hash(path: Path) -> str:
    """BLAKE2b-256 over a file's bytes. Raises Unreadable."""
    whole = hashlib.blake2b(digest_size=DIGEST_BYTES)
    try:
        with path.open("rb") as stream:
            while data := stream.read(READ_BYTES):
                whole.update(data)
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be read: {error.strerror}.", field="file") from error
    return whole.hexdigest()


def import_id(files: list[tuple[Path, str]]) -> str:
    """Id of an import: hash over the bytes of the files, in their order, and how each was read (`FileFeed.reading`)."""
    whole = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for path, reading in files:
        for part in (file_hash(path), reading):
            data = part.encode()
            whole.update(len(data).to_bytes(4, "little") + data)
    return whole.hexdigest()


def recipe_id(recipe: str) -> str:
    """Id of rows that are made by a recipe: hash over its text."""
    return hashlib.blake2b(recipe.encode(), digest_size=DIGEST_BYTES).hexdigest()
