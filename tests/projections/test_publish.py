"""A new process starts from a published copy where it fits the tape, and from the tape where it does not."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from events.errors import ReadModelUnavailable
from events.memory_keys import MemoryBlobs
from events.memory_tape import MemoryTape
from projections.batch import Checkpoint
from projections.duckdb.publish import (
    ROOT,
    Manifest,
    Publisher,
    PublishSettings,
    manifest_name,
    open_read_model,
    published,
)
from projections.duckdb.read_model import DuckReadModel
from projections.duckdb.store import DuckStore
from projections.runner import ProjectionRunner
from tests.projections.applying import SMALL, apply_all, messages_of, opened
from tests.projections.random_tapes import random_script
from tests.projections.streams import Script

SETTINGS = PublishSettings(events_min=1, part_bytes=100_000, interval_seconds=60)


async def published_model(folder: Path, script: Script, blobs: MemoryBlobs) -> DuckReadModel:
    """A read model of a tape, published once."""
    model = opened(folder / "publisher.duckdb")
    model.begin((await script.tape.info()).epoch)
    apply_all(model, await messages_of(script.tape, model.subjects))
    manifest = await Publisher(model.store, blobs, script.clock, SETTINGS).publish()
    assert manifest is not None
    assert len(manifest.parts) > 1
    assert manifest.checkpoint == model.checkpoint()
    return model


async def test_a_new_process_starts_from_the_copy(tmp_path: Path) -> None:
    """It has the publisher's content and checkpoint, and goes on behind it."""
    script, blobs = await random_script(3, 40), MemoryBlobs()
    model = await published_model(tmp_path, script, blobs)
    seeded = await open_read_model(tmp_path / "new.duckdb", script.tape, blobs, SMALL)
    assert seeded.checkpoint() == model.checkpoint()
    assert seeded.store.content_hash() == model.store.content_hash()
    later = await script.start("later")
    runner = ProjectionRunner(script.tape, [seeded])
    await runner.start()
    await runner.wait_until(later, 5)
    await runner.close()
    assert runner.status().events == 1
    assert {name for name in os.listdir(tmp_path) if ".fetched" in name or ".copy" in name} == set()
    model.close()
    seeded.close()


@pytest.mark.parametrize("what", ["part", "manifest", "gone", "other bytes", "not a database"])
async def test_a_damaged_copy_is_not_used(tmp_path: Path, what: str) -> None:
    """Flipped, missing or forged: the read model starts empty, without an error."""
    script, blobs = await random_script(3, 20), MemoryBlobs()
    model = await published_model(tmp_path, script, blobs)
    manifest = await published(blobs, model.store.schema_id)
    assert manifest is not None
    name = manifest.parts[0].name
    match what:
        case "part":
            blobs.damage(name, b"x")
        case "manifest":
            await blobs.put(manifest_name(model.store.schema_id), b'{"id":')
        case "gone":
            await blobs.delete(name)
        case "other bytes":
            await blobs.put(name, bytes(manifest.parts[0].size))
        case _:
            await _forge(blobs, manifest)
    seeded = await open_read_model(tmp_path / "new.duckdb", script.tape, blobs, SMALL)
    assert seeded.checkpoint() == Checkpoint()
    model.close()
    seeded.close()


async def _forge(blobs: MemoryBlobs, manifest: Manifest) -> None:
    """A copy that agrees with its digests and is no DuckDB file."""
    data = b"not a database" * 1000
    await blobs.put("forged", data)
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    part = msgspec.structs.replace(manifest.parts[0], name="forged", size=len(data), digest=digest)
    forged = msgspec.structs.replace(manifest, parts=(part,))
    await blobs.put(manifest_name(manifest.schema_id), msgspec.json.encode(forged))


async def test_a_copy_of_another_tape_is_not_used(tmp_path: Path) -> None:
    """Another epoch, or a tape that is shorter than the copy."""
    script, blobs = await random_script(3, 20), MemoryBlobs()
    model = await published_model(tmp_path, script, blobs)
    for number, tape in enumerate((Script("e2").tape, MemoryTape(clock=script.clock, epoch="e1"))):
        seeded = await open_read_model(tmp_path / f"new{number}.duckdb", tape, blobs, SMALL)
        assert seeded.checkpoint() == Checkpoint()
        seeded.close()
    model.close()


async def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    """A process that has applied something goes on with its own file."""
    script, blobs = await random_script(3, 20), MemoryBlobs()
    model = await published_model(tmp_path, script, blobs)
    own = opened(tmp_path / "own.duckdb")
    own.begin("e1")
    apply_all(own, (await messages_of(script.tape, own.subjects))[:2])
    before = own.checkpoint()
    own.close()
    again = await open_read_model(tmp_path / "own.duckdb", script.tape, blobs, SMALL)
    assert again.checkpoint() == before
    again.close()
    model.close()


@pytest.mark.parametrize("content", [b"garbage" * 4096, b""])
async def test_a_damaged_file_is_built_again(tmp_path: Path, content: bytes) -> None:
    """A file that DuckDB cannot open is thrown away."""
    path = tmp_path / "slot-0.duckdb"
    path.write_bytes(content)
    model = await open_read_model(path, Script().tape, None, SMALL)
    assert model.checkpoint() == Checkpoint()
    model.close()


async def test_an_opening_that_is_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is closed behind the thread that opens it, and what a killed publisher left beside it is gone."""
    path, begun = tmp_path / "slot-0.duckdb", threading.Event()
    (tmp_path / "slot-0.duckdb.01abc.copy").touch()
    connect = duckdb.connect

    def slowly(*values: Any, **settings: Any) -> duckdb.DuckDBPyConnection:
        begun.set()
        with connect() as other:
            other.execute("SELECT count(*) FROM range(30000000) a, range(10) b")
        return connect(*values, **settings)

    monkeypatch.setattr(duckdb, "connect", slowly)
    opening = asyncio.create_task(open_read_model(path, Script().tape, None, SMALL))
    assert await asyncio.to_thread(begun.wait, 10)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert os.listdir(tmp_path) == ["slot-0.duckdb"]
    connect(str(path)).close()  # refused where it is open with other settings


async def test_a_close_between_a_discard_and_an_opening_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever closes while a file is thrown away has closed the new one too, at a start and in a rebuild."""
    path, discard = tmp_path / "slot-0.duckdb", DuckStore.discard

    def and_close(store: DuckStore) -> None:
        discard(store)
        store.close()

    monkeypatch.setattr(DuckStore, "discard", and_close)
    path.write_bytes(b"garbage" * 4096)
    with pytest.raises(ReadModelUnavailable, match="closed"):
        await open_read_model(path, Script().tape, None, SMALL)
    assert os.listdir(tmp_path) == []
    model = opened(path)
    with pytest.raises(ReadModelUnavailable, match="closed"):
        model.reset()
    assert os.listdir(tmp_path) == []
    path.write_bytes(b"of whoever has the place now")
    with pytest.raises(ReadModelUnavailable, match="closed"):
        model.reset()
    assert os.listdir(tmp_path) == ["slot-0.duckdb"]


async def test_a_file_of_another_release_is_built_again(tmp_path: Path) -> None:
    """Other tables, or another meaning of them: the tape is read again."""
    path = tmp_path / "slot-0.duckdb"
    model = opened(path)
    model.begin("e1")
    with model.store.transaction() as connection:
        connection.execute("UPDATE meta SET schema_id = 'older'")
    model.close()
    again = await open_read_model(path, Script().tape, None, SMALL)
    assert again.checkpoint() == Checkpoint()
    again.close()


async def test_copies_are_few(tmp_path: Path) -> None:
    """The newest copy and the one before it are kept, and what a killed publisher left is deleted."""
    script, blobs = await random_script(3, 20), MemoryBlobs()
    model = await published_model(tmp_path, script, blobs)
    await blobs.put(f"{ROOT}/{model.store.schema_id}/00000000000000000000000000/00000", b"left over")
    manifests = []
    for number in range(3):
        await script.start(f"more{number}")
        script.clock.advance(61)
        apply_all(model, await messages_of(script.tape, model.subjects))
        publisher = Publisher(model.store, blobs, script.clock, SETTINGS)
        assert await publisher.due()
        manifests.append(await publisher.publish())
        assert not await publisher.due()
    kept = {part.name for manifest in manifests[-2:] if manifest for part in manifest.parts}
    assert set(await blobs.names(ROOT)) == kept | {manifest_name(model.store.schema_id)}
    model.close()


async def test_a_large_file_is_not_published(tmp_path: Path) -> None:
    """`bytes_max` bounds what goes to the blobs."""
    script, blobs = await random_script(3, 20), MemoryBlobs()
    model = opened(tmp_path / "a.duckdb")
    settings = PublishSettings(bytes_max=1000)
    assert await Publisher(model.store, blobs, script.clock, settings).publish() is None
    assert await blobs.names() == []
    model.close()
