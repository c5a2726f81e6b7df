"""Files of the embedded server's store. A closed block file never changes, as nothing is ever deleted: its hash
proves its messages at the disk's speed, where reading them through the server would take minutes for a long tape.

Such a proof is made by `proving`, from bytes whose messages were compared. It only saves reading. Where a file's hash
differs (damage, or a server that wrote it anew), its messages are read and compared with the chain, which alone
decides.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from events.jetstream import wire
from events.seal import checksum
from events.seal.files import Block
from events.tape import Message

_RECORD = struct.Struct("<IQqH")  # length and flags, sequence and flags, ns of the append, bytes of the subject
_FIRST = struct.Struct("<IQ")
_WORD = struct.Struct("<I")
_CHECKSUM = struct.Struct("<Q")
_SEQUENCE_BITS = (1 << 62) - 1
_HEADERS_BIT = 1 << 31
_HASHED_FROM, _HASHED_TO = 4, 20  # of a record's head: sequence and time


class RecordDamaged(Exception):
    """A record does not fit its checksum, its length or its place."""


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


def block(name: str, first: int, last: int, data: bytes) -> Block:
    """The proof of a file that holds `data`."""
    return Block(name, first, last, len(data), hashlib.blake2b(data, digest_size=32).hexdigest())


def messages(path: Path, data: bytes) -> Iterator[Message]:
    """The messages in the bytes of a block file, each compared with the checksum behind it.

    Raises:
        RecordDamaged: at the first record that does not fit; also where the file is packed or has erased records,
            which no server that we start writes.
    """
    found, damage = _parsed(data)
    sums = checksum.highway64(checksum.key_of(path.parent.parent.name, int(path.stem)), [one.hashed for one in found])
    for one, computed in zip(found, sums.tolist(), strict=True):
        if computed != one.checksum:
            raise RecordDamaged(f"the checksum of message {one.sequence} does not fit")
        yield one.message
    if damage is not None:
        raise damage


class _Parsed(NamedTuple):
    sequence: int
    message: Message
    hashed: bytes  # what the checksum covers
    checksum: int


def _parsed(data: bytes) -> tuple[list[_Parsed], RecordDamaged | None]:
    """The records up to the first that is none, and what is wrong with that one."""
    found: list[_Parsed] = []
    at = 0
    try:
        while at < len(data):
            record = _record(data, at)
            found.append(_Parsed(*_message(record), *_CHECKSUM.unpack(record[-_CHECKSUM.size :])))
            at += len(record)
    except RecordDamaged as damage:
        return found, damage
    return found, None


def _record(data: bytes, at: int) -> bytes:
    size = _WORD.unpack_from(data, at)[0] & ~_HEADERS_BIT if at + _WORD.size <= len(data) else 0
    if not _RECORD.size + _CHECKSUM.size <= size <= len(data) - at:
        raise RecordDamaged(f"the record at byte {at} of {len(data)} has {size} bytes")
    return data[at : at + size]


def _message(record: bytes) -> tuple[int, Message, bytes]:
    """Sequence, message and the bytes that its checksum covers."""
    flags, sequence, appended_ns, subject_bytes = _RECORD.unpack_from(record)
    if subject_bytes > len(record) - _RECORD.size - _CHECKSUM.size:
        raise RecordDamaged(f"the subject of message {sequence} is longer than it")
    rest = _RECORD.size + subject_bytes
    body = record[rest : -_CHECKSUM.size]
    headers = b""
    if flags & _HEADERS_BIT:
        size = _WORD.unpack(body[: _WORD.size])[0] if len(body) >= _WORD.size else len(body)
        if size > len(body) - _WORD.size:
            raise RecordDamaged(f"the headers of message {sequence} are longer than it")
        headers, body = body[_WORD.size : _WORD.size + size], body[_WORD.size + size :]
    subject = record[_RECORD.size : rest]
    read = wire.visible(headers)
    message = Message(sequence, subject.decode("utf-8", "replace"), read, body, appended_ns)
    return sequence, message, record[_HASHED_FROM:_HASHED_TO] + subject + headers + body


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
            head = file.read(_FIRST.size)
    except OSError:
        return 0
    return int(_FIRST.unpack(head)[1]) & _SEQUENCE_BITS if len(head) == _FIRST.size else 0
