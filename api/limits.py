"""Rate limits: one table of classes with a count and a window, counted together by all API processes.

The counts lie in the key bucket. A process takes several uses of one at once (a lease) and gives them out itself, so a
read does not cost a question to the bucket each time. The error of that: never more than `count`, and at most
`lease - 1` fewer for each further process, which holds what it has not given out until the window ends. A limit with
`free` uses counts each process's first ones in that process alone: at most `free` more for each further process.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict

import msgspec
import structlog

from api.settings import LimitsSettings
from events.clock import NS_PER_SECOND, Clock
from events.errors import TapedeckError, TooMany
from events.tape import Keys

log = structlog.get_logger(__name__)

SWAP_TRIES_MAX = 8
KEYS_MAX = 10_000  # counts that one process holds; the longest unused is forgotten, with what was leased of it
READ_LEASE = 10
CEILING_LEASE = 100
MESSAGE_LEASE = 10

V1 = "/api/v1/"
HOUR, MINUTE, SECOND = 3_600, 60, 1


class Limit(msgspec.Struct, frozen=True):
    """At most `count` per `seconds` and key, in one class."""

    name: str
    count: int
    seconds: int
    lease: int = 1
    free: int = 0
    guards: bool = False  # something that must not be tried often: where the bucket is away nothing is let through


class Limits(msgspec.Struct, frozen=True):
    """The table. Those of contract 002 hold below `/api/v1` and on `/ws`, the ceiling beyond loopback, the login
    everywhere."""

    login: Limit
    name: Limit  # tries to log in under one name
    ceiling: Limit
    read: Limit
    message: Limit  # of a client to `/ws`
    starts: dict[tuple[str, str], Limit]  # by method and path

    def of(self, method: str, path: str) -> Limit | None:
        """The limit of a request under contract 002; None where its limits do not hold."""
        if not path.startswith(V1) or method == "OPTIONS":
            return None
        return self.starts.get((method, path.rstrip("/")), self.read)


def limits_of(settings: LimitsSettings) -> Limits:
    """The table with the counts of the settings."""
    training = Limit("training_start", settings.training_starts_per_minute, MINUTE)
    backtest = Limit("backtest_start", settings.backtest_starts_per_minute, MINUTE)
    update = Limit("config_update", settings.config_updates_per_minute, MINUTE)
    reads, ceiling = settings.reads_per_minute, settings.per_second
    return Limits(
        login=Limit("login", settings.logins_per_minute, MINUTE, guards=True),
        name=Limit("login_name", settings.wrong_logins_per_hour_and_name, HOUR, guards=True),
        ceiling=Limit("ceiling", ceiling, SECOND, lease=CEILING_LEASE, free=min(CEILING_LEASE, ceiling)),
        read=Limit("read", reads, MINUTE, lease=READ_LEASE),
        message=Limit("socket_messages", settings.socket_messages_per_second, SECOND, lease=MESSAGE_LEASE),
        starts={
            ("POST", "/api/v1/training/start"): training,
            ("POST", "/api/v1/backtest/run"): backtest,
            ("POST", "/api/v1/walkforward/run"): backtest,
            ("PUT", "/api/v1/config"): update,
            ("POST", "/api/v1/config/templates"): update,
        },
    )


class _Window(msgspec.Struct):
    """A window as the bucket has it."""

    start_ns: int
    used: int


class _Share(msgspec.Struct):
    """What this process may give out of a window until it ends."""

    until_ns: int
    left: int
    given: int  # left, and used already
    full: bool = False  # nothing more is to be had before the end
    asking: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)


class Counters:
    """The counts of one process, together with those of the others."""

    def __init__(self, keys: Keys, clock: Clock) -> None:
        self.keys = keys
        self._clock = clock
        self._shares: OrderedDict[str, _Share] = OrderedDict()

    async def use(self, limit: Limit, key: str) -> None:
        """Count one use.

        Raises:
            TooMany: the window is used up; `retry_after_s` says when it ends.
            TapedeckError: a limit that guards, and the bucket is away.
        """
        share = self._share(limit, name_of(limit, key))
        if share.left <= 0:
            async with share.asking:  # of several at once one asks, for all
                await self._more(limit, name_of(limit, key), share)
        share.left -= 1

    def give_back(self, limit: Limit, key: str) -> None:
        """Take the count of one use back: what it was counted for did not happen."""
        share = self._shares.get(name_of(limit, key))
        if share is not None and self._clock.now_ns() < share.until_ns:
            share.left += 1

    def _share(self, limit: Limit, name: str) -> _Share:
        share = self._shares.get(name)
        if share is None or self._clock.now_ns() >= share.until_ns:
            share = self._shares[name] = _Share(
                self._clock.now_ns() + limit.seconds * NS_PER_SECOND, limit.free, limit.free
            )
            if len(self._shares) > KEYS_MAX:
                self._shares.popitem(last=False)
        self._shares.move_to_end(name)
        return share

    async def _more(self, limit: Limit, name: str, share: _Share) -> None:
        """Lease more uses. Raises as `use`."""
        if share.left > 0:
            return
        if not share.full:
            try:
                await self._lease(limit, name, share)
            except TooMany:
                raise
            except TapedeckError as error:
                if limit.guards:
                    raise
                log.warning("limits_are_counted_alone", limit=limit.name, error=str(error))
                share.left = limit.count - share.given
                share.given, share.full = limit.count, share.left <= 0
        if share.full:
            wait = max(0.0, (share.until_ns - self._clock.now_ns()) / NS_PER_SECOND)
            raise TooMany(f"More than {limit.count} of {limit.name} in {limit.seconds} s.", retry_after_s=wait)

    async def _lease(self, limit: Limit, name: str, share: _Share) -> None:
        now, count = self._clock.now_ns(), limit.count - limit.free
        length = limit.seconds * NS_PER_SECOND
        for _ in range(SWAP_TRIES_MAX):
            held = await self.keys.get(name)
            window = msgspec.msgpack.decode(held[0], type=_Window) if held else _Window(now, 0)
            if now - window.start_ns >= length:
                window = _Window(now, 0)
            share.until_ns = window.start_ns + length
            taken = min(limit.lease, count - window.used)
            if taken <= 0:
                share.full = True
                return
            window.used += taken
            if await self.keys.swap(name, msgspec.msgpack.encode(window), held[1] if held else 0) is not None:
                share.left += taken
                share.given += taken
                return
        raise TooMany("Too many at the same moment.", retry_after_s=1.0)


def name_of(limit: Limit, key: str) -> str:
    """The name of a count in the bucket; any text may be a key."""
    return f"limit.{limit.name}.{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"
