"""Files of the embedded server's store. A closed block file never changes, as nothing is ever deleted: its hash
proves its messages at the disk's speed, where reading them through the server would take minutes for a long tape.

A proof only saves reading. Where a file's hash differs (damage, or a server that wrote it anew), its messages are
read and compared with the chain, which alone decides.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from pathlib import Path

from events.seal.files import Block

_RECORD = struct.Struct("<IQ")  # length and flags, sequence and flags
_SEQUENCE_BITS = (1 << 62) - 1


def closed(folder: Path) -> list[tuple[Path, int, int]]:
    """Every block file but the newest, with the first and last sequence in it, ascending.

    A sequence is read from a file's first record; the last is one less than the next file's first. The list ends
    before the first file that does not fit.
    """
    found = [(path, _first_sequence(path)) for path in _paths(folder)]
    result = []
    for (path, first), (_, following) in itertools.pairwise(found):
        if not 0 < first < following:
            break
        result.append((path, first, following - 1))
    return result


def proof(path: Path, first: int, last: int) -> Block | None:
    """The proof of a file as it is now; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32))
            return Block(path.name, first, last, file.tell(), digest.hexdigest())
    except OSError:
        return None


def _paths(folder: Path) -> list[Path]:
    try:
        numbered = [(int(path.stem), path) for path in folder.glob("*.blk") if path.stem.isdigit()]
    except OSError:
        return []
    return [path for _, path in sorted(numbered)]


def _first_sequence(path: Path) -> int:
    """0 where the file has no record, or cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_RECORD.size)
    except OSError:
        return 0
    return int(_RECORD.unpack(head)[1]) & _SEQUENCE_BITS if len(head) == _RECORD.size else 0
