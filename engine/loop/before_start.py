"""Rows before a session's start: its kernels see them, so that indicators are warm when trading begins.

Until then every lane is halted: nothing is placed, and the signals, denials and marks of these rows are thrown away
with their ordinals. On the first row of the session's instruments at or beyond the start all lanes go on, without a
position and with the whole capital, and the first mark is due, as in a session that begins there.

The records say which of the two it is (`loop_ns`), so a snapshot before the start goes on before the start, and the
compiled loop knows nothing of it. What these rows do decides, so it is in the code hash of sessions that have a start.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np

from engine.loop.spec import LoopSpec, Memory
from events.rows import Rows

# Raised when what the rows before a start do changes, here or in `DecisionLoop._read_before_start`: it is other code.
MEANING = 1


def code_with_start(code_hash: str, trade_from_ns: int) -> str:
    """What decisions of a session are comparable under: the hash of its loop, and with a start what is meant by it."""
    if not trade_from_ns:
        return code_hash
    return blake2b(f"{code_hash} before start {MEANING}".encode(), digest_size=16).hexdigest()


def rows_before(rows: Rows, lookup: Any, spec: LoopSpec) -> int:
    """How many of these market rows lie before the first at which the session trades; `lookup` as the loop has it."""
    times = rows["ts_received_ns" if spec.designated == "received" else "ts_event_ns"]
    numbers = rows["instrument"]
    known = (numbers >= 0) & (numbers < len(lookup))
    mine = lookup[np.where(known, numbers, 0)] >= 0
    begins = np.flatnonzero(known & mine & (times >= spec.trade_from_ns))
    return int(begins[0]) if begins.size else len(rows)


def begin(memory: Memory) -> None:
    """All lanes go on, and a mark is due on the next row."""
    memory.lanes["halted"] = 0
    memory.account["mark_ns"] = 0
