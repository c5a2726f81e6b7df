"""When each row of a recording is due, for whoever has a clock. Order and content stay as they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np

from engine.feeds.errors import BadMapping
from events.rows import Rows

ACCELERATION_MAX = 1e9
QUANTUM_NS = 10_000_000  # rows due within 10 ms of wall time leave together


class Due(NamedTuple):
    """Rows that are due together, `due_ns` after the first row of all."""

    due_ns: int
    rows: Rows


def pace(
    chunks: Iterable[Rows],
    acceleration: float,
    designated: Literal["event", "received"] = "event",
    quantum_ns: int = QUANTUM_NS,
) -> Iterator[Due]:
    """Pieces of the chunks with the wall time at which they are due; 0 means as fast as possible, all due at once.

    A row is due at (its time - the time of the first row) / acceleration, times being the running maximum of the
    designated one, so disorder never waits backward. A piece is due when its last row is: nothing leaves early, and
    nothing later than `quantum_ns` after its own moment.

    Raises:
        BadMapping: the acceleration is negative, not finite or over `ACCELERATION_MAX`; the quantum is negative.
    """
    if not (math.isfinite(acceleration) and 0 <= acceleration <= ACCELERATION_MAX):
        raise BadMapping(
            f"The acceleration is {acceleration}; 0 (as fast as possible) to {ACCELERATION_MAX:g} is due.",
            field="acceleration",
        )
    if quantum_ns < 0:
        raise BadMapping(f"The quantum is {quantum_ns} ns; it cannot be negative.", field="quantum_ns")
    return _paced(chunks, acceleration, f"ts_{designated}_ns", max(1, quantum_ns))


def _paced(chunks: Iterable[Rows], acceleration: float, field: str, quantum_ns: int) -> Iterator[Due]:
    first: int | None = None
    reached = np.iinfo(np.int64).min
    for rows in chunks:
        if len(rows) == 0:
            continue
        if acceleration == 0:
            yield Due(0, rows)
            continue
        times = np.maximum(np.maximum.accumulate(rows[field]), reached)
        reached = int(times[-1])
        first = int(times[0]) if first is None else first
        due = ((times - first) / acceleration).astype(np.int64)
        ends = np.append(np.flatnonzero(np.diff(due // quantum_ns)) + 1, len(rows))
        start = 0
        for end in ends:
            yield Due(int(due[end - 1]), rows[start:end])
            start = int(end)
