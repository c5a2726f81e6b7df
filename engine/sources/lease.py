"""The lease of a source: one key with a lifetime says who runs it. Taken, renewed and given back by compare-and-set.

It decides who may begin. What a stale owner still appends meets the fence of the source's subject.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from events.clock import NS_PER_SECOND, Clock
from events.errors import OperatingError
from events.tape import Keys

log = structlog.get_logger(__name__)

FREE = b""  # what a lease that was given back says until its lifetime ends
ENDED = b" ended"  # behind the owner whose source gave all its rows


class LeaseTimes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named limits of a lease."""

    renew_seconds: float = 2.0
    lifetime_seconds: float = 10.0  # as the bucket's


class Lease:
    """One source, one owner at a time. An owner that is named was killed where it finds its own name: it goes on."""

    def __init__(self, keys: Keys, clock: Clock, source: str, owner: str = "") -> None:
        self.source = source
        self.ended = False  # whoever has it has given all rows: there is nothing to wait for
        self._keys = keys
        self._clock = clock
        self._key = f"source.{source}"
        self._owner = (owner or clock.new_id()).encode()
        self._revision = 0

    async def take(self) -> bool:
        """Take it if nobody has it. Raises OperatingError."""
        found = await self._keys.get(self._key)
        if found is not None and found[0] not in (FREE, self._owner, self._owner.removesuffix(ENDED)):
            self.ended = found[0].endswith(ENDED)
            return False
        revision = await self._keys.swap(self._key, self._owner, found[1] if found else 0)
        self._revision = revision or 0
        return revision is not None

    def finish(self) -> None:
        """Say with the next renewal that all rows were given."""
        self._owner += ENDED

    async def keep(self, times: LeaseTimes, lost: Callable[[], None]) -> None:
        """Renew it until cancelled; `lost` is called once, when another has it or it could not be renewed in time."""
        renewed_ns = self._clock.monotonic_ns()
        while self._clock.monotonic_ns() - renewed_ns < times.lifetime_seconds * NS_PER_SECOND:
            await self._clock.sleep(times.renew_seconds)
            asked_ns = self._clock.monotonic_ns()
            try:
                if not await self._renew():
                    break
                renewed_ns = asked_ns
            except OperatingError as error:  # the next try may come in time
                log.warning("lease_not_renewed", source=self.source, error=str(error))
            except Exception:  # not renewed any more, so it is lost
                log.exception("lease_not_renewed", source=self.source)
                break
        log.warning("source_lost", source=self.source)
        lost()

    async def _renew(self) -> bool:
        revision = await self._keys.swap(self._key, self._owner, self._revision)
        if revision is None:  # ended meanwhile, or renewed by a try whose answer was lost
            return await self.take()
        self._revision = revision
        return True

    async def release(self) -> None:
        """Give it back, unless another has it. Raises OperatingError."""
        await self._keys.swap(self._key, FREE, self._revision)
