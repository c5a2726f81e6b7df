"""The decision hash: one number for everything a session decided.

Per kind of row a chain over blocks of `BLOCK_ROWS` packed rows in ordinal order: `h = BLAKE2b(h + block)`; the last,
shorter block closes it. The decision hash is BLAKE2b over the kinds' counts and chain heads, in `DECISION_KINDS` order.
Blocks make the running state a few bytes, so that it lies in a snapshot and a restart need not read a million rows
again. Frame boundaries do not enter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec
import numpy as np

from events.frames import NEWEST
from events.rows import DECISION_KINDS, ROW_DTYPES, Rows, SectionKind

BLOCK_ROWS = 1024
DIGEST_BYTES = 32


class ChainState(msgspec.Struct):
    """Running state of one kind: rows so far, head of the chain, bytes of the unfinished block."""

    rows: int = 0
    head: bytes = bytes(DIGEST_BYTES)
    rest: bytes = b""


class DecisionHash:
    """Running hash over a session's decision rows."""

    def __init__(self, state: Mapping[int, ChainState] | None = None) -> None:
        given = state or {}
        self._chains = {kind: given.get(int(kind), ChainState()) for kind in DECISION_KINDS}

    def add(self, kind: SectionKind, rows: Rows) -> None:
        """The next rows of a kind, in ordinal order."""
        chain = self._chains[kind]
        size = ROW_DTYPES[kind, NEWEST[kind]].itemsize * BLOCK_ROWS
        data = chain.rest + np.ascontiguousarray(rows).tobytes()
        whole = len(data) // size * size
        for at in range(0, whole, size):
            chain.head = _digest(chain.head + data[at : at + size])
        chain.rest = data[whole:]
        chain.rows += len(rows)

    def counts(self) -> dict[str, int]:
        """Rows so far, by the kind's name in lower case."""
        return {kind.name.lower(): chain.rows for kind, chain in self._chains.items()}

    def state(self) -> dict[int, ChainState]:
        """A copy that `DecisionHash(state)` goes on from."""
        return {int(kind): msgspec.structs.replace(chain) for kind, chain in self._chains.items()}

    def hexdigest(self) -> str:
        """64 hexadecimal digits over everything added so far."""
        parts = []
        for kind in DECISION_KINDS:
            chain = self._chains[kind]
            head = _digest(chain.head + chain.rest) if chain.rest else chain.head
            parts.append(int(kind).to_bytes(2, "little") + chain.rows.to_bytes(8, "little") + head)
        return _digest(b"".join(parts)).hex()


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()
