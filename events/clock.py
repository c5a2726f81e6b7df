"""The one home of time and ids. Everything that decides is given both; only edges ask this file."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from typing import Protocol

NS_PER_SECOND = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """Wall time, elapsed time, waiting and ids."""

    def now_ns(self) -> int:
        """Wall time, ns UTC."""
        ...

    def monotonic_ns(self) -> int:
        """Elapsed time, ns from an arbitrary start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def new_id(self) -> str:
        """A fresh id of 26 lower-case letters and digits that sorts by time of making."""
        ...


class SystemClock:
    """The machine's clock and randomness."""

    def now_ns(self) -> int:
        """See `Clock.now_ns`."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """See `Clock.monotonic_ns`."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)

    def new_id(self) -> str:
        """See `Clock.new_id`."""
        return ulid(self.now_ns(), os.urandom(10))


class ManualClock:
    """A clock that moves only when told, and ids that count: for tests and the simulation."""

    def __init__(self, start_ns: int = 1_700_000_000 * NS_PER_SECOND, seed: int = 0) -> None:
        self._now_ns = start_ns
        self._start_ns = start_ns
        self._seed = seed
        self._ids = 0

    def now_ns(self) -> int:
        """See `Clock.now_ns`."""
        return self._now_ns

    def monotonic_ns(self) -> int:
        """See `Clock.monotonic_ns`."""
        return self._now_ns - self._start_ns

    def advance(self, seconds: float) -> None:
        """Move forward; never back."""
        assert seconds >= 0, "time does not run backward"
        self._now_ns += round(seconds * NS_PER_SECOND)

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        self.advance(seconds)
        await asyncio.sleep(0)

    def new_id(self) -> str:
        """See `Clock.new_id`."""
        self._ids += 1
        return ulid(self._start_ns, (self._seed * 1_000_003 + self._ids).to_bytes(10, "big"))


_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def ulid(now_ns: int, chance: bytes) -> str:
    """A ULID in lower case: 48 bits of milliseconds, 80 bits of `chance` (10 bytes)."""
    value = ((now_ns // NS_PER_MS) & ((1 << 48) - 1)) << 80 | int.from_bytes(chance, "big")
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))


def iso(ts_ns: int) -> str:
    """ISO 8601 text with microseconds and Z; the nanoseconds below are cut."""
    seconds, rest = divmod(ts_ns, NS_PER_SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest // 1000:06d}Z"


def from_iso(text: str) -> int:
    """int64 ns UTC of an ISO 8601 text; a text without a zone is UTC.

    Raises:
        ValueError: not an ISO 8601 text.
    """
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * NS_PER_SECOND + delta.microseconds * 1000
