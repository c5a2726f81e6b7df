"""The content of a market store as one hash, the same whatever keeps the rows and however they were batched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from events.rows import Rows


class ContentHash:
    """BLAKE2b over the tables in their order; of each, its rows in order of event time, sequence and index."""

    def __init__(self) -> None:
        self._rows = hashlib.blake2b(digest_size=32)
        self._owners = hashlib.blake2b(digest_size=32)

    def add(self, table: str, owners: Iterable[str], rows: Rows) -> None:
        """More rows of a table, packed, and the source or session of each."""
        self._owners.update("".join(f"{table}\0{owner}\n" for owner in owners).encode())
        self._rows.update(rows.tobytes())

    def hexdigest(self) -> str:
        """So far."""
        both = hashlib.blake2b(digest_size=32)
        both.update(self._owners.digest())
        both.update(self._rows.digest())
        return both.hexdigest()
