"""A file of the read model for new processes to start from, in the blob store beside the tape.

Parts go first and the manifest last, so a reader finds a whole copy or none. What cannot be used is not: then the
read model is built from the tape.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import structlog

from events.clock import NS_PER_SECOND, Clock
from events.errors import OperatingError, ReadModelUnavailable, TapeRefused
from events.tape import Blobs, Tape
from projections.batch import Checkpoint
from projections.checkpoints import check
from projections.duckdb.read_model import DuckReadModel
from projections.duckdb.store import DuckSettings, DuckStore, Unusable, remove

log = structlog.get_logger(__name__)

ROOT = "read-model"


class PublishSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Named limits of publishing."""

    interval_seconds: float = 600.0
    events_min: int = 1_000  # sequences that the tape must have moved on since the last copy
    part_bytes: int = 8_388_608
    bytes_max: int = 4_294_967_296  # a larger file is not published


class Part(msgspec.Struct, frozen=True):
    """A piece of the file."""

    name: str
    size: int
    digest: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A published file."""

    id: str
    schema_id: str
    checkpoint: Checkpoint
    parts: tuple[Part, ...]
    published_ns: int
    previous: tuple[Part, ...] = ()  # of the copy before this one, kept for who is reading it


def manifest_name(schema_id: str) -> str:
    """Where the manifest of a schema is."""
    return f"{ROOT}/{schema_id}/manifest"


async def published(blobs: Blobs, schema_id: str) -> Manifest | None:
    """The newest manifest of a schema; None where there is none that can be read."""
    data = await blobs.get(manifest_name(schema_id))
    try:
        return None if data is None else msgspec.json.decode(data, type=Manifest)
    except msgspec.MsgspecError:
        return None


# --- publishing ---------------------------------------------------------------------------------------------------


class Publisher:
    """Puts copies of one store to the blobs, whoever of several processes is first to be due."""

    def __init__(self, store: DuckStore, blobs: Blobs, clock: Clock, settings: PublishSettings | None = None) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock
        self._settings = settings or PublishSettings()

    async def run(self) -> None:
        """Publish when it is due, until cancelled. A store or blob store that does not answer is asked again later."""
        while True:
            await self._clock.sleep(self._settings.interval_seconds)
            try:
                if await self.due():
                    await self.publish()
            except (OperatingError, duckdb.Error, OSError) as error:
                log.warning("read_model_not_published", error=str(error), kind=type(error).__name__)

    async def due(self) -> bool:
        """Whether the newest copy is old and the tape has moved on."""
        newest = await published(self._blobs, self._store.schema_id)
        ours = self._store.checkpoint
        if newest is None or newest.checkpoint.epoch != ours.epoch:
            return ours.sequence >= self._settings.events_min
        age_ns = self._clock.now_ns() - newest.published_ns
        moved = ours.sequence - newest.checkpoint.sequence
        return moved >= self._settings.events_min and age_ns >= self._settings.interval_seconds * NS_PER_SECOND

    async def publish(self) -> Manifest | None:
        """Copy the store as it is and put the copy to the blobs; None where it is over `bytes_max`."""
        before = await published(self._blobs, self._store.schema_id)
        name = self._clock.new_id()
        path = self._store.path.with_name(f"{self._store.path.name}.{name}.copy")
        try:
            checkpoint = await asyncio.to_thread(self._store.copy_to, path)
            if path.stat().st_size > self._settings.bytes_max:
                log.warning("read_model_not_published", bytes=path.stat().st_size, bytes_max=self._settings.bytes_max)
                return None
            parts = await self._put_parts(path, name)
        finally:
            remove(path)
        manifest = Manifest(
            id=name,
            schema_id=self._store.schema_id,
            checkpoint=checkpoint,
            parts=parts,
            published_ns=self._clock.now_ns(),
            previous=before.parts if before else (),
        )
        await self._blobs.put(manifest_name(manifest.schema_id), msgspec.json.encode(manifest))
        await self._forget(manifest, before)
        size = sum(part.size for part in parts)
        log.info("read_model_published", sequence=checkpoint.sequence, bytes=size, parts=len(parts))
        return manifest

    async def _put_parts(self, path: Path, name: str) -> tuple[Part, ...]:
        parts: list[Part] = []
        for data in _pieces(path, self._settings.part_bytes):
            part = Part(f"{ROOT}/{self._store.schema_id}/{name}/{len(parts):05d}", len(data), _digest(data))
            await self._blobs.put(part.name, data)
            parts.append(part)
        return tuple(parts)

    async def _forget(self, manifest: Manifest, before: Manifest | None) -> None:
        """Delete parts of older copies than the one before, those of a publisher that was killed too."""
        kept = {part.name for part in (*manifest.parts, *manifest.previous)}
        oldest = before.id if before else manifest.id
        prefix = f"{ROOT}/{self._store.schema_id}/"
        for name in await self._blobs.names(prefix):
            owner = name.removeprefix(prefix).split("/")[0]
            if name not in kept and owner != "manifest" and owner < oldest:
                await self._blobs.delete(name)


def _pieces(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(size):
            yield data


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


# --- starting from a copy -----------------------------------------------------------------------------------------


async def open_read_model(
    path: Path, tape: Tape, blobs: Blobs | None = None, settings: DuckSettings | None = None
) -> DuckReadModel:
    """The read model of a file: as it is, else from the published copy, else empty.

    A damaged file and one of another release are thrown away. A file of another tape, or of one that was longer, is
    left as it is: the runner refuses it.
    """
    model = DuckReadModel(path, settings)
    try:
        await _opened(model, tape, blobs)
    except BaseException:
        await asyncio.to_thread(_closed, model)
        raise
    return model


def _closed(model: DuckReadModel) -> None:
    try:
        model.close()  # behind the thread that is opening it
    except ReadModelUnavailable as error:
        log.warning("read_model_not_closed", path=str(model.store.path), error=str(error))


async def _opened(model: DuckReadModel, tape: Tape, blobs: Blobs | None) -> None:
    for left in model.store.path.parent.glob(f"{model.store.path.name}.*.copy*"):
        left.unlink(missing_ok=True)  # by a publisher that was ended
    await asyncio.to_thread(_open_or_discard, model)
    if model.checkpoint().sequence or blobs is None:
        return
    manifest = await published(blobs, model.store.schema_id)
    if manifest is None or not await _fits(manifest, tape):
        return
    await asyncio.to_thread(model.store.discard)
    try:
        await _fetch(manifest, blobs, model.store.path)
        log.info("read_model_seeded", sequence=manifest.checkpoint.sequence, copy=manifest.id)
    except Unusable as error:
        log.warning("read_model_copy_unusable", copy=manifest.id, error=str(error))
    await asyncio.to_thread(_open_or_discard, model)


def _open_or_discard(model: DuckReadModel) -> None:
    try:
        model.open()
    except Unusable as error:
        log.warning("read_model_discarded", path=str(model.store.path), error=str(error))
        model.store.discard()
        model.open()


async def _fits(manifest: Manifest, tape: Tape) -> bool:
    try:
        await check("published read model", manifest.checkpoint, tape)
    except TapeRefused as error:
        log.warning("read_model_copy_foreign", copy=manifest.id, error=str(error))
        return False
    return True


async def _fetch(manifest: Manifest, blobs: Blobs, path: Path) -> None:
    fetched = path.with_name(f"{path.name}.fetched")
    try:
        with fetched.open("wb") as file:
            for part in manifest.parts:
                data = await blobs.get(part.name)
                if data is None or len(data) != part.size or _digest(data) != part.digest:
                    raise Unusable(f"part {part.name} is missing or damaged")
                file.write(data)
        fetched.replace(path)
    finally:
        fetched.unlink(missing_ok=True)
