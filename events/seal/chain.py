"""The rolling hash: each link is BLAKE2b over the link before it and one whole message."""

from __future__ import annotations

import hashlib
import struct

import msgspec

from events.tape import Message

HASH_BYTES = 32
_SIZES = struct.Struct("<QIIQ")  # sequence, bytes of subject, headers, body


class Point(msgspec.Struct, frozen=True):
    """A place of the chain: `hash` (hex) covers every message up to and with `sequence`, `size` their body bytes."""

    sequence: int
    hash: str
    size: int


def start(epoch: str) -> Point:
    """The place before the first message of an epoch."""
    return Point(0, hashlib.blake2b(epoch.encode(), digest_size=HASH_BYTES, person=b"tapedeck seal 1").hexdigest(), 0)


def link(before: bytes, message: Message) -> bytes:
    """The next hash. Headers count sorted by name, as a transport may reorder them."""
    subject = message.subject.encode()
    headers = "\n".join(f"{name}:{message.headers[name]}" for name in sorted(message.headers)).encode()
    digest = hashlib.blake2b(before, digest_size=HASH_BYTES)
    digest.update(_SIZES.pack(message.sequence, len(subject), len(headers), len(message.body)))
    digest.update(subject)
    digest.update(headers)
    digest.update(message.body)
    return digest.digest()


class Chain:
    """A place that moves forward message by message."""

    def __init__(self, point: Point) -> None:
        self.sequence = point.sequence
        self.size = point.size
        self._hash = bytes.fromhex(point.hash)

    def add(self, message: Message) -> bool:
        """Take the next message in; False, and nothing changed, where it is not the next one."""
        if message.sequence != self.sequence + 1:
            return False
        self._hash = link(self._hash, message)
        self.sequence = message.sequence
        self.size += len(message.body)
        return True

    @property
    def point(self) -> Point:
        """Where it stands."""
        return Point(self.sequence, self._hash.hex(), self.size)
