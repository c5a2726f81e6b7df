"""Rate limits: counters with a window. Those that protect lie in the key bucket that all API processes share; the
ceiling on requests is each process's own.
"""

from __future__ import annotations

import hashlib

import msgspec

from events.clock import NS_PER_SECOND, Clock
from events.errors import TooMany
from events.tape import Keys

SWAP_TRIES_MAX = 8
CALLERS_MAX = 10_000  # counted in one second; beyond it all share one counter


class Limit(msgspec.Struct, frozen=True):
    """At most `count` per `seconds` and key, in one class."""

    name: str
    count: int
    seconds: int


class _Window(msgspec.Struct):
    start_ns: int
    used: int


async def allow(counters: Keys, clock: Clock, limit: Limit, key: str) -> None:
    """Count one use.

    Raises:
        TooMany: the window is used up; `retry_after_s` says when it ends.
    """
    now = clock.now_ns()
    length = limit.seconds * NS_PER_SECOND
    name = f"limit.{limit.name}.{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"
    for _ in range(SWAP_TRIES_MAX):
        held = await counters.get(name)
        window = msgspec.msgpack.decode(held[0], type=_Window) if held else _Window(now, 0)
        if now - window.start_ns >= length:
            window = _Window(now, 0)
        if window.used >= limit.count:
            left = (window.start_ns + length - now) / NS_PER_SECOND
            raise TooMany(f"More than {limit.count} in {limit.seconds} s.", retry_after_s=left)
        window.used += 1
        if await counters.swap(name, msgspec.msgpack.encode(window), held[1] if held else 0) is not None:
            return
    raise TooMany("Too many at the same moment.", retry_after_s=1.0)


class Ceiling:
    """Requests per second of one caller (a user, else an address), in this process."""

    def __init__(self, per_second: int, clock: Clock) -> None:
        self._per_second = per_second
        self._clock = clock
        self._second = 0
        self._used: dict[str, int] = {}

    def count(self, caller: str) -> None:
        """One more request. Raises TooMany."""
        second = self._clock.monotonic_ns() // NS_PER_SECOND
        if second != self._second:
            self._second = second
            self._used.clear()
        if caller not in self._used and len(self._used) >= CALLERS_MAX:
            caller = ""
        used = self._used.get(caller, 0)
        if used >= self._per_second:
            raise TooMany(f"More than {self._per_second} requests in a second.", retry_after_s=1.0)
        self._used[caller] = used + 1
