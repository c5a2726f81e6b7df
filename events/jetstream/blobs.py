"""Blobs in a JetStream object store: chunks under a fresh name, then the entry that names them, then the old ones go.

The entry is written last and alone, so a blob is there whole or not at all. What a killed writer left behind are
chunks that no entry names; `tidy` forgets them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import structlog

from events import guards, retry
from events.clock import NS_PER_MS, NS_PER_SECOND, Clock, SystemClock, iso
from events.errors import TapeUnavailable
from events.iteration import in_order
from events.jetstream import streams
from events.jetstream.batch import BulkAppend
from events.jetstream.link import Link
from events.jetstream.log import JetStreamLog
from events.jetstream.reader import Reader, ReaderLost
from events.jetstream.streams import ApiRefused, api
from events.retry import NoAnswer, NotSent
from events.tape import Append, Limits

CHUNK_BYTES = 524_288
WINDOW = 8
_DIGEST = "SHA-256="
_ROLLUP = {"Nats-Rollup": "sub"}

_logger = structlog.get_logger(__name__)


class _Entry(msgspec.Struct):
    name: str
    bucket: str
    nuid: str
    size: int
    chunks: int
    mtime: str
    digest: str
    deleted: bool = False


_ENTRY = msgspec.json.Decoder(_Entry)


class _State(msgspec.Struct):
    subjects: dict[str, int] = {}


class _Subjects(msgspec.Struct):
    state: _State
    total: int = 0


_SUBJECTS = msgspec.json.Decoder(_Subjects)


class JetStreamBlobs:
    """One object store."""

    def __init__(self, link: Link, log: JetStreamLog, bucket: str, clock: Clock) -> None:
        self._link, self._log, self._bucket, self._clock = link, log, bucket, clock

    @classmethod
    async def open(
        cls, link: Link, bucket: str, *, limits: Limits | None = None, clock: Clock | None = None
    ) -> JetStreamBlobs:
        """An object store that `init` made. Raises TapeMissing, TapeUnavailable."""
        stream = f"OBJ_{bucket}"
        found = await streams.info(link, stream)
        chosen: Clock = clock or SystemClock()
        window = found.config.duplicate_window / streams.NS
        return cls(link, JetStreamLog(link, stream, limits or Limits(), chosen, window), bucket, chosen)

    async def put(self, name: str, data: bytes) -> None:
        """See `Blobs.put`."""
        guards.check_name(name)
        old = await self._entry(name)
        nuid = self._clock.new_id()
        chunks = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
        messages = (Append(self._chunks(nuid), chunk, f"{nuid}:{at}") for at, chunk in enumerate(chunks))
        await BulkAppend(self._log, WINDOW).run(in_order(messages))
        digest = _DIGEST + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
        entry = _Entry(name, self._bucket, nuid, len(data), len(chunks), iso(self._clock.now_ns()), digest)
        body = msgspec.json.encode(entry)
        await retry.append(self._log, Append(self._meta(name), body, f"{nuid}:entry", _ROLLUP))
        if old is not None:
            await self._purge(self._chunks(old.nuid))

    async def get(self, name: str) -> bytes | None:
        """See `Blobs.get`."""
        guards.check_name(name)
        entry = await self._entry(name)
        if entry is None or entry.deleted:
            return None
        data = b"".join([chunk async for chunk in self._read(entry)])
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
        if entry.digest != _DIGEST + digest:
            _logger.warning("blob_damaged", name=name, size=len(data), expected=entry.size)
            return None
        return data

    async def _read(self, entry: _Entry) -> AsyncIterator[bytes]:
        if not entry.chunks:
            return
        reader = Reader(self._link, self._log.stream, self._log.limits.prefetch_messages)
        try:
            await reader.open(1, (self._chunks(entry.nuid),), endless=False)
            while (message := await reader.next(self._log.limits.read_seconds_max)) is not None:
                yield message.body
        except ReaderLost as error:
            raise TapeUnavailable(f"Blob {entry.name} cannot be read: {error}.") from None
        finally:
            await reader.close()

    async def names(self, prefix: str = "") -> list[str]:
        """See `Blobs.names`."""
        subjects = await self._subjects(f"$O.{self._bucket}.M.>")
        names = (base64.urlsafe_b64decode(subject.rpartition(".")[2]).decode() for subject in subjects)
        return sorted(name for name in names if name.startswith(prefix))

    async def delete(self, name: str) -> None:
        """See `Blobs.delete`."""
        guards.check_name(name)
        if (entry := await self._entry(name)) is None:
            return
        await self._purge(self._meta(name))
        await self._purge(self._chunks(entry.nuid))

    async def tidy(self, older_than_seconds: float = 3_600.0) -> int:
        """Forget chunks that no entry names, of puts that began before then; returns how many puts."""
        entries = [await self._entry(name) for name in await self.names()]
        named = {self._chunks(entry.nuid) for entry in entries if entry is not None}
        before = self._clock.now_ns() - round(older_than_seconds * NS_PER_SECOND)
        orphans = [
            subject
            for subject in await self._subjects(f"$O.{self._bucket}.C.>")
            if subject not in named and _made_ns(subject.rpartition(".")[2]) < before
        ]
        for subject in orphans:
            await self._purge(subject)
        return len(orphans)

    async def _entry(self, name: str) -> _Entry | None:
        found = await retry.read(self._log, lambda: self._log.newest(self._meta(name)))
        try:
            return _ENTRY.decode(found.body) if found else None
        except msgspec.MsgspecError:
            return None

    async def _subjects(self, pattern: str) -> list[str]:
        found: list[str] = []
        while True:
            question = {"subjects_filter": pattern, "offset": len(found)}
            answer = _SUBJECTS.decode(await self._ask(f"STREAM.INFO.{self._log.stream}", question))
            found += answer.state.subjects
            if not answer.state.subjects or len(found) >= answer.total:
                return sorted(found)

    async def _purge(self, subject: str) -> None:
        await self._ask(f"STREAM.PURGE.{self._log.stream}", {"filter": subject})

    async def _ask(self, name: str, question: dict[str, Any]) -> bytes:
        try:
            return await api(self._link, name, question, self._log.limits.append_seconds_max)
        except (ApiRefused, NotSent, NoAnswer) as error:
            raise TapeUnavailable(f"The store of blobs does not answer: {error}.") from None

    def _chunks(self, nuid: str) -> str:
        return f"$O.{self._bucket}.C.{nuid}"

    def _meta(self, name: str) -> str:
        return f"$O.{self._bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"


_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def _made_ns(nuid: str) -> int:
    """When an id was made (`events.clock.ulid`); 0 where it is none."""
    value = 0
    for letter in nuid[:10]:
        if letter not in _ALPHABET:
            return 0
        value = value << 5 | _ALPHABET.index(letter)
    return value * NS_PER_MS
