"""Snapshots of a loop: the bytes of its records behind the code hash, with a checksum."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import msgspec
import numpy as np

from events.errors import Conflict
from events.rows import Rows

CHECKSUM_BYTES = 32


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """What a snapshot says: the code, and per array its length, size of one record, and bytes; rows that wait."""

    code_hash: str
    arrays: tuple[tuple[int, int, bytes], ...]
    waiting: bytes = b""


def pack(code_hash: str, arrays: Sequence[Rows], waiting: Rows) -> bytes:
    """The records, and rows of any number that wait to be read, as one message behind its checksum."""
    shaped = tuple((len(rows), rows.dtype.itemsize, rows.tobytes()) for rows in arrays)
    packed = Packed(code_hash, shaped, waiting.tobytes())
    body = msgspec.msgpack.encode(packed)
    return _checksum(body) + body


def unpack(data: bytes, code_hash: str | None, arrays: Sequence[Rows]) -> bytes:
    """Fill the arrays from a snapshot, all or none; give the bytes of the rows that wait.

    One of any code where `code_hash` is None.

    Raises:
        Conflict: damaged, or of another code or shape.
    """
    body = data[CHECKSUM_BYTES:]
    if _checksum(body) != data[:CHECKSUM_BYTES]:
        raise Conflict("The snapshot is damaged: its checksum is wrong.", hint="Recover from an older one.")
    packed = msgspec.msgpack.decode(body, type=Packed)
    if code_hash is not None and packed.code_hash != code_hash:
        raise Conflict(f"The snapshot is of code {packed.code_hash}, this is {code_hash}.", code="OTHER_CODE")
    shapes = [(length, size) for length, size, _ in packed.arrays]
    if shapes != [(len(rows), rows.dtype.itemsize) for rows in arrays]:
        raise Conflict("The snapshot is of a session with other lanes, instruments or limits.")
    for rows, (_, _, content) in zip(arrays, packed.arrays, strict=True):
        rows[:] = np.frombuffer(content, rows.dtype)
    return packed.waiting


def state_hash(arrays: Sequence[Rows]) -> str:
    """BLAKE2b over the bytes of the records."""
    whole = blake2b(digest_size=32)
    for rows in arrays:
        whole.update(rows.tobytes())
    return whole.hexdigest()


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=CHECKSUM_BYTES).digest()
