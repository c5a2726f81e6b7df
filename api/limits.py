"""Rate limits: counters with a window, in the key bucket that all API processes share."""

from __future__ import annotations

import msgspec

from api.house import House
from events.clock import NS_PER_SECOND
from events.errors import TooMany

SWAP_TRIES_MAX = 8


class Limit(msgspec.Struct, frozen=True):
    """At most `count` per `seconds` and key, in one class."""

    name: str
    count: int
    seconds: int


class _Window(msgspec.Struct):
    start_ns: int
    used: int


async def allow(house: House, limit: Limit, key: str) -> None:
    """Count one use.

    Raises:
        TooMany: the window is used up; `retry_after_s` says when it ends.
    """
    now = house.clock.now_ns()
    length = limit.seconds * NS_PER_SECOND
    name = f"limit.{limit.name}.{key.encode().hex()}"
    for _ in range(SWAP_TRIES_MAX):
        held = await house.keys.get(name)
        window = msgspec.msgpack.decode(held[0], type=_Window) if held else _Window(now, 0)
        if now - window.start_ns >= length:
            window = _Window(now, 0)
        if window.used >= limit.count:
            left = (window.start_ns + length - now) / NS_PER_SECOND
            raise TooMany(f"More than {limit.count} in {limit.seconds} s.", retry_after_s=left)
        window.used += 1
        if await house.keys.swap(name, msgspec.msgpack.encode(window), held[1] if held else 0) is not None:
            return
    raise TooMany("Too many at the same moment.", retry_after_s=1.0)
