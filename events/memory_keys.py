"""Keys and blobs in memory: the same rules as the real ones."""

from __future__ import annotations

import hashlib

from events import guards
from events.clock import NS_PER_SECOND, Clock, SystemClock


class MemoryKeys:
    """Small values with compare-and-set; a value ends `lifetime_seconds` after it was written (0: never)."""

    def __init__(self, *, lifetime_seconds: float = 0.0, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        self._lifetime_ns = round(lifetime_seconds * NS_PER_SECOND)
        self._values: dict[str, tuple[bytes, int, int]] = {}  # value, revision, written at
        self._revision = 0

    async def put(self, key: str, value: bytes) -> int:
        """See `Keys.put`."""
        guards.check_key(key)
        return self._write(key, value)

    async def get(self, key: str) -> tuple[bytes, int] | None:
        """See `Keys.get`."""
        guards.check_key(key)
        value, revision = self._read(key)
        return None if value is None else (value, revision)

    async def swap(self, key: str, value: bytes, revision: int) -> int | None:
        """See `Keys.swap`."""
        guards.check_key(key)
        _, current = self._read(key)
        return self._write(key, value) if current == revision else None

    async def delete(self, key: str) -> None:
        """See `Keys.delete`."""
        guards.check_key(key)
        self._values.pop(key, None)

    async def names(self, prefix: str) -> list[str]:
        """See `Keys.names`."""
        guards.check_key(prefix)
        return sorted(
            key for key in list(self._values) if key.startswith(f"{prefix}.") and self._read(key)[0] is not None
        )

    def _write(self, key: str, value: bytes) -> int:
        self._revision += 1
        self._values[key] = (bytes(value), self._revision, self._clock.monotonic_ns())
        return self._revision

    def _read(self, key: str) -> tuple[bytes | None, int]:
        value, revision, written_ns = self._values.get(key, (None, 0, 0))
        if value is not None and self._lifetime_ns and self._clock.monotonic_ns() - written_ns >= self._lifetime_ns:
            del self._values[key]
            return None, 0
        return value, revision


class MemoryBlobs:
    """Named bytes with a digest."""

    def __init__(self) -> None:
        self._blobs: dict[str, tuple[bytes, bytes]] = {}

    async def put(self, name: str, data: bytes) -> None:
        """See `Blobs.put`."""
        guards.check_name(name)
        self._blobs[name] = (bytes(data), hashlib.sha256(data).digest())

    async def get(self, name: str) -> bytes | None:
        """See `Blobs.get`."""
        guards.check_name(name)
        data, digest = self._blobs.get(name, (b"", b""))
        return data if hashlib.sha256(data).digest() == digest else None

    async def names(self, prefix: str = "") -> list[str]:
        """See `Blobs.names`."""
        return sorted(name for name in self._blobs if name.startswith(prefix))

    async def delete(self, name: str) -> None:
        """See `Blobs.delete`."""
        guards.check_name(name)
        self._blobs.pop(name, None)

    def damage(self, name: str, data: bytes) -> None:
        """Replace the bytes but not their digest: for tests."""
        self._blobs[name] = (data, self._blobs[name][1])
