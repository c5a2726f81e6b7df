"""Damage to the files of tape and vault is noticed before a command or a login: 30 cases in CI, 200 by
`make test-faults`, and a third of that for the vault.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from events import seal
from events.errors import ProcessFailed, TapeRefused, TapeUnavailable
from events.jetstream import reader, streams
from events.jetstream.link import Link
from events.jetstream.server import NatsServer
from events.jetstream.tape import JetStreamTape
from events.seal import chain, files
from events.tape import Append, Limits, Tape
from tests.faults.damage import damage
from tests.fixtures.nats import EPOCH, OWNER, ROLE_TABLE, started_server

FRAMES = 44
FRAME_BYTES = 500_000
FACTS_BETWEEN = 40
USERS = 150
VAULT_PART = 3  # damages of the tape for one of the vault
NAMES = {streams.TAPE_STREAM: "tape", streams.VAULT_STREAM: "vault"}


class Template(NamedTuple):
    """A folder of a stopped server with its seal, and the hash of all its messages."""

    folder: Path
    digest: str
    last: int


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a case of damage."""
    damages = int(metafunc.config.getoption("--damages"))
    for name, count in (("case", damages), ("vault_case", damages // VAULT_PART)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, range(count))


async def fill(tape: Tape, chance: np.random.Generator) -> None:
    """Some blocks of frames, with facts of a session between them."""
    for number in range(FRAMES):
        await tape.append(Append("tape.market.s", chance.bytes(FRAME_BYTES), f"s:{number}"))
        facts = [
            Append("tape.session.a.fact", chance.bytes(300), f"a-{number}-{index}") for index in range(FACTS_BETWEEN)
        ]
        await tape.append_atomic(facts)


async def fill_vault(vault: Tape, chance: np.random.Generator) -> None:
    """Some users, whose facts are small."""
    for number in range(USERS):
        await vault.append(Append("vault.user", chance.bytes(250), f"u-{number}"))


async def digest_of(tape: Tape) -> str:
    """A hash over all messages, made here and not by the seal."""
    whole = hashlib.sha256()
    async for message in tape.read():
        whole.update(f"{message.sequence} {message.subject} {sorted(message.headers.items())}".encode())
        whole.update(message.body)
    return whole.hexdigest()


async def make(folder: Path, *, killed: bool) -> Template:
    """Record a tape, seal all of it, and stop the server in order or by SIGKILL."""
    server = await started_server(folder / "nats")
    link = await Link.open(server.endpoint(OWNER))
    tapes = {stream: await JetStreamTape.open(link, stream=stream) for stream in NAMES}
    settings = seal.SealSettings(interval_seconds=0.05, point_bytes=6_000_000)
    sealers = {}
    for stream, name in NAMES.items():
        seal.create(folder / "seal" / name, EPOCH)
        sealers[stream] = seal.Sealer(
            tapes[stream], folder / "seal" / name, store=server.blocks(stream), settings=settings, name=name
        )
    try:
        for sealer in sealers.values():
            await sealer.start()
        await fill(tapes[streams.TAPE_STREAM], np.random.Generator(np.random.Philox(key=7)))
        await fill_vault(tapes[streams.VAULT_STREAM], np.random.Generator(np.random.Philox(key=8)))
        for stream, sealer in sealers.items():
            await sealer.wait((await tapes[stream].info()).last, 20)
            await sealer.close()
        digest = "".join([await digest_of(tape) for tape in tapes.values()])
        last = (await tapes[streams.TAPE_STREAM].info()).last
        await link.close()
        if killed:
            server.kill()
    finally:
        await server.stop()
    return Template(folder, digest, last)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> list[Template]:
    """The same tape, its server once stopped in order and once killed."""
    folder = tmp_path_factory.mktemp("damage")

    async def both() -> list[Template]:
        return [await make(folder / "stopped", killed=False), await make(folder / "killed", killed=True)]

    return asyncio.run(both())


async def look(folder: Path) -> str:
    """What a start does: the server, the two logs and their seals. Returns the digest of logs that pass."""
    server = NatsServer(folder / "nats", role_table=ROLE_TABLE)
    try:
        await server.start()
        link = await Link.open(server.endpoint(OWNER))
        try:
            digests = []
            for stream, name in NAMES.items():
                tape = await JetStreamTape.open(link, stream=stream, epoch=EPOCH)
                await seal.check(tape, folder / "seal" / name, store=server.blocks(stream), name=name)
                digests.append(await digest_of(tape))
            return "".join(digests)
        finally:
            await link.close()
    finally:
        await server.stop()


@pytest.mark.faults
async def test_damage_is_noticed(case: int, templates: list[Template], tmp_path: Path) -> None:
    """A tape with a damaged file is refused, or is whole: then the file held none of its messages."""
    await damaged(templates[case % 2], streams.TAPE_STREAM, case, tmp_path / "copy")


@pytest.mark.faults
async def test_damage_to_the_vault_is_noticed(vault_case: int, templates: list[Template], tmp_path: Path) -> None:
    """No login is accepted over users that are not those that were made."""
    await damaged(templates[vault_case % 2], streams.VAULT_STREAM, vault_case, tmp_path / "copy")


async def damaged(template: Template, stream: str, case: int, folder: Path) -> None:
    """One case of damage: refused, or the file held none of the messages."""
    chance = np.random.Generator(np.random.Philox(key=case))
    shutil.copytree(template.folder, folder)
    done = damage(folder / "nats" / "store" / "jetstream" / "$G" / "streams" / stream, chance)
    try:
        digest = await look(folder)
    except (TapeRefused, ProcessFailed) as refused:
        assert str(refused)  # noqa: PT017
        return
    assert digest == template.digest, f"{done.what}: opened with other content"
    assert not done.holds_messages, f"{done.what}: not noticed"


@pytest.mark.faults
@pytest.mark.parametrize("stream", NAMES)
async def test_a_log_that_lost_its_end(stream: str, templates: list[Template], tmp_path: Path) -> None:
    """An older copy of a log's files, whole in itself, is refused: it ends before what was sealed."""
    folder = tmp_path / "copy"
    shutil.copytree(templates[0].folder, folder)
    kept = folder / "seal" / NAMES[stream]
    head = files.read_head(kept, EPOCH)
    files.write_head(kept, files.Head(EPOCH, chain.Point(head.point.sequence + 3, head.point.hash, head.point.size)))
    with pytest.raises(TapeRefused, match=f"The {NAMES[stream]} ends at .* 3 messages are gone"):
        await look(folder)


@pytest.mark.faults
async def test_undamaged_tape_passes(templates: list[Template], tmp_path: Path) -> None:
    """Without damage nothing is refused, and closed files are proved instead of read."""
    for number, template in enumerate(templates):
        folder = tmp_path / str(number)
        shutil.copytree(template.folder, folder)
        assert await look(folder) == template.digest
        head = files.read_head(folder / "seal" / "tape", EPOCH)
        assert head.point.sequence == template.last
        assert files.read_head(folder / "seal" / "vault", EPOCH).point.sequence == USERS
        assert files.read_blocks(folder / "seal" / "tape")


@pytest.mark.faults
@pytest.mark.parametrize("stream", NAMES)
async def test_lost_stream_is_not_made_anew(stream: str, templates: list[Template], tmp_path: Path) -> None:
    """Where the whole stream is gone, the start says so and creates none."""
    folder = tmp_path / "copy"
    shutil.copytree(templates[0].folder, folder)
    shutil.rmtree(folder / "nats" / "store" / "jetstream" / "$G" / "streams" / stream)
    for _ in range(2):
        with pytest.raises(TapeRefused, match=f"no stream {stream}"):
            await look(folder)


@pytest.mark.faults
@pytest.mark.parametrize("name", [files.HEAD, files.POINTS, files.BLOCKS])
@pytest.mark.parametrize("log", ["tape", "vault"])
async def test_damaged_seal(log: str, name: str, templates: list[Template], tmp_path: Path) -> None:
    """A damaged head of the seal is refused; damaged lines only cost reading."""
    folder = tmp_path / "copy"
    shutil.copytree(templates[0].folder, folder)
    path = folder / "seal" / log / name
    if not path.exists():
        assert log == "vault"  # too small for points and blocks
        return
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    if name == files.HEAD:
        with pytest.raises(TapeRefused, match="damaged"):
            await look(folder)
    else:
        assert await look(folder) == templates[0].digest


@pytest.mark.faults
@pytest.mark.parametrize("log", ["tape", "vault"])
async def test_seal_of_another_tape(log: str, templates: list[Template], tmp_path: Path) -> None:
    """A tape is not opened under another tape's seal, nor without one."""
    folder = tmp_path / "copy"
    shutil.copytree(templates[0].folder, folder)
    files.write_head(folder / "seal" / log, files.Head("another", chain.start("another")))
    with pytest.raises(TapeRefused, match="epoch another"):
        await look(folder)
    (folder / "seal" / log / files.HEAD).unlink()
    with pytest.raises(TapeRefused, match="no seal"):
        await look(folder)


@pytest.mark.faults
async def test_damage_to_the_file_that_is_written(tmp_path: Path) -> None:
    """A bit that turns over before its file is closed is not proved away: the next start names the message."""
    server = await started_server(tmp_path / "nats")
    store = server.blocks(streams.TAPE_STREAM)
    chance = np.random.Generator(np.random.Philox(key=9))
    try:
        link = await Link.open(server.endpoint(OWNER))
        tape, vault = [await JetStreamTape.open(link, stream=stream) for stream in NAMES]
        for name in NAMES.values():
            seal.create(tmp_path / "seal" / name, EPOCH)
        await tape.append(Append("tape.market.s", chance.bytes(FRAME_BYTES), "s:first"))
        newest = next(store.glob("*.blk"))
        data = bytearray(newest.read_bytes())
        data[len(data) // 2] ^= 4
        newest.write_bytes(data)
        settings = seal.SealSettings(interval_seconds=0.05, point_bytes=6_000_000)
        sealer = seal.Sealer(tape, tmp_path / "seal" / "tape", store=store, settings=settings)
        await sealer.start()
        await fill(tape, chance)
        await sealer.wait((await tape.info()).last, 20)
        await sealer.close()
        await vault.close()
        await link.close()
    finally:
        await server.stop()
    assert newest.name not in files.read_blocks(tmp_path / "seal" / "tape")
    with pytest.raises(TapeRefused, match="Message 1 of the tape is missing or cannot be read"):
        await look(tmp_path)


NOT_GIVEN = 28  # the damage behind which the server counts messages of the vault that it cannot give


async def test_messages_that_are_counted_and_not_given(
    templates: list[Template], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reading of them ends, however often the server says that there is nothing yet."""
    monkeypatch.setattr(reader, "EXPIRES_SECONDS", 0.2)
    folder = tmp_path / "copy"
    shutil.copytree(templates[0].folder, folder)
    store = folder / "nats" / "store" / "jetstream" / "$G" / "streams" / streams.VAULT_STREAM
    damage(store, np.random.Generator(np.random.Philox(key=NOT_GIVEN)))
    server = NatsServer(folder / "nats", role_table=ROLE_TABLE)
    try:
        await server.start()
        async with asyncio.timeout(30):
            link = await Link.open(server.endpoint(OWNER))
            vault = await JetStreamTape.open(
                link, stream=streams.VAULT_STREAM, epoch=EPOCH, limits=Limits(read_seconds_max=0.5)
            )
            with pytest.raises(TapeUnavailable, match="nothing was heard"):
                await digest_of(vault)
            await link.close()
    finally:
        await server.stop()
