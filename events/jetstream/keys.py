"""Keys in a JetStream key-value bucket; its lifetime is that of the bucket."""

from __future__ import annotations

import msgspec

from events import guards, retry
from events.clock import Clock, SystemClock
from events.errors import FenceLost
from events.jetstream import streams
from events.jetstream.link import Link
from events.jetstream.log import JetStreamLog
from events.tape import Append, Limits, Message

OPERATION = "KV-Operation"
DELETED = ("DEL", "PURGE")


class JetStreamKeys:
    """One bucket."""

    def __init__(self, log: JetStreamLog, bucket: str, clock: Clock) -> None:
        self._log = log
        self._root = f"$KV.{bucket}."
        self._clock = clock

    @classmethod
    async def open(
        cls, link: Link, bucket: str, *, limits: Limits | None = None, clock: Clock | None = None
    ) -> JetStreamKeys:
        """A bucket that `init` made. Raises TapeMissing, TapeUnavailable."""
        stream = f"KV_{bucket}"
        found = await streams.info(link, stream)
        chosen: Clock = clock or SystemClock()
        window = found.config.duplicate_window / streams.NS
        return cls(JetStreamLog(link, stream, limits or Limits(), chosen, window), bucket, chosen)

    async def put(self, key: str, value: bytes) -> int:
        """See `Keys.put`."""
        return await retry.append(self._log, self._message(key, value))

    async def get(self, key: str) -> tuple[bytes, int] | None:
        """See `Keys.get`."""
        found = await self._newest(key)
        return None if found is None or _deleted(found) else (found.body, found.sequence)

    async def swap(self, key: str, value: bytes, revision: int) -> int | None:
        """See `Keys.swap`."""
        message = self._message(key, value)
        try:
            return await self._swap(message, revision)
        except FenceLost:
            found = await self._newest(key)
            if revision != 0 or found is None or not _deleted(found):
                return None
        try:  # a deleted key leaves a mark behind, which counts as none
            return await self._swap(message, found.sequence)
        except FenceLost:
            return None

    async def _swap(self, message: Append, revision: int) -> int:
        return await retry.append(self._log, msgspec.structs.replace(message, expected=revision))

    async def delete(self, key: str) -> None:
        """See `Keys.delete`."""
        message = self._message(key, b"")
        await retry.append(self._log, msgspec.structs.replace(message, headers={OPERATION: DELETED[0]}))

    async def names(self, prefix: str) -> list[str]:
        """See `Keys.names`."""
        guards.check_key(prefix)
        root = f"{self._root}{prefix}."
        keys = [subject.removeprefix(self._root) for subject in await self._log.subjects(f"{root}>")]
        return sorted([key for key in keys if await self.get(key) is not None])

    async def _newest(self, key: str) -> Message | None:
        guards.check_key(key)
        return await retry.read(self._log, lambda: self._log.newest(self._root + key))

    def _message(self, key: str, value: bytes) -> Append:
        guards.check_key(key)
        return Append(self._root + key, value, self._clock.new_id())


def _deleted(message: Message) -> bool:
    return message.headers.get(OPERATION) in DELETED
