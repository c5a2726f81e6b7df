"""Named limits of the explorer."""

from __future__ import annotations

import msgspec


class ExplorerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Named limits of the explorer."""

    text_max: int = 20_000  # characters of a statement
    seconds_max: float = 2.0  # waiting for a copy and a child, and running, together; then the child is ended
    copy_seconds_max: float = 10.0  # age of an answer at most, where copies are made so fast
    renew_seconds: float = 4.0  # a query of an older copy begins the next, and sooner where copies take long
    children_max: int = 2  # queries at once
    waiting_max: int = 16
    queries_max: int = 500  # of one child
    rows_max: int = 1_000
    bytes_max: int = 1_048_576
    idle_seconds: float = 120.0  # then nothing is kept warm
