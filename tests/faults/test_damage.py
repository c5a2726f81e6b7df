"""Damage to the tape's files is noticed before a command is accepted: 30 cases in CI, 200 by `make test-faults`."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from events import seal
from events.errors import ProcessFailed, TapeRefused
from events.jetstream import streams
from events.jetstream.link import Link
from events.jetstream.server import NatsServer
from events.jetstream.tape import JetStreamTape
from events.seal import chain, files
from events.tape import Append, Tape
from tests.faults.damage import damage
from tests.fixtures.nats import EPOCH, OWNER, ROLE_TABLE, started_server

FRAMES = 44
FRAME_BYTES = 500_000
FACTS_BETWEEN = 40


class Template(NamedTuple):
    """A folder of a stopped server with its seal, and the hash of all its messages."""

    folder: Path
    digest: str
    last: int


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a case of damage."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", range(int(metafunc.config.getoption("--damages"))))


async def fill(tape: Tape, chance: np.random.Generator) -> None:
    """Some blocks of frames, with facts of a session between them."""
    for number in range(FRAMES):
        await tape.append(Append("tape.market.s", chance.bytes(FRAME_BYTES), f"s:{number}"))
        facts = [
            Append("tape.session.a.fact", chance.bytes(300), f"a-{number}-{index}") for index in range(FACTS_BETWEEN)
        ]
        await tape.append_atomic(facts)


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
    seal.create(folder / "seal", EPOCH)
    link = await Link.open(server.endpoint(OWNER))
    tape = await JetStreamTape.open(link)
    settings = seal.SealSettings(interval_seconds=0.05, point_bytes=6_000_000)
    sealer = seal.Sealer(tape, folder / "seal", store=server.blocks(streams.TAPE_STREAM), settings=settings)
    try:
        await sealer.start()
        await fill(tape, np.random.Generator(np.random.Philox(key=7)))
        last = (await tape.info()).last
        await sealer.wait(last, 20)
        digest = await digest_of(tape)
        await sealer.close()
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
    """What a start does: the server, the tape, the seal. Returns the digest of a tape that passes."""
    server = NatsServer(folder / "nats", role_table=ROLE_TABLE)
    try:
        await server.start()
        link = await Link.open(server.endpoint(OWNER))
        try:
            tape = await JetStreamTape.open(link, epoch=EPOCH)
            await seal.check(tape, folder / "seal", store=server.blocks(streams.TAPE_STREAM))
            return await digest_of(tape)
        finally:
            await link.close()
    finally:
        await server.stop()


@pytest.mark.faults
async def test_damage_is_noticed(case: int, templates: list[Template], tmp_path: Path) -> None:
    """A tape with a damaged file is refused, or is whole: then the file held none of its messages."""
    chance = np.random.Generator(np.random.Philox(key=case))
    template = templates[case % 2]
    folder = tmp_path / "copy"
    shutil.copytree(template.folder, folder)
    done = damage(folder / "nats" / "store" / "jetstream" / "$G" / "streams" / streams.TAPE_STREAM, chance)
    try:
        digest = await look(folder)
    except (TapeRefused, ProcessFailed) as refused:
        assert str(refused)  # noqa: PT017
        return
    assert digest == template.digest, f"{done.what}: opened with other content"
    assert not done.holds_messages, f"{done.what}: not noticed"


@pytest.mark.faults
async def test_undamaged_tape_passes(templates: list[Template], tmp_path: Path) -> None:
    """Without damage nothing is refused, and closed files are proved instead of read."""
    for number, template in enumerate(templates):
        folder = tmp_path / str(number)
        shutil.copytree(template.folder, folder)
        assert await look(folder) == template.digest
        head = files.read_head(folder / "seal", EPOCH)
        assert head.point.sequence == template.last
        assert len(files.read_blocks(folder / "seal")) >= 2


@pytest.mark.faults
async def test_lost_stream_is_not_made_anew(templates: list[Template], tmp_path: Path) -> None:
    """Where the whole stream is gone, the start says so and creates none."""
    folder = tmp_path / "copy"
    shutil.copytree(templates[0].folder, folder)
    shutil.rmtree(folder / "nats" / "store" / "jetstream" / "$G" / "streams" / streams.TAPE_STREAM)
    for _ in range(2):
        with pytest.raises(TapeRefused, match="no stream TAPE"):
            await look(folder)


@pytest.mark.faults
@pytest.mark.parametrize("name", [files.HEAD, files.POINTS, files.BLOCKS])
async def test_damaged_seal(name: str, templates: list[Template], tmp_path: Path) -> None:
    """A damaged head of the seal is refused; damaged lines only cost reading."""
    folder = tmp_path / "copy"
    shutil.copytree(templates[0].folder, folder)
    path = folder / "seal" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    if name == files.HEAD:
        with pytest.raises(TapeRefused, match="damaged"):
            await look(folder)
    else:
        assert await look(folder) == templates[0].digest


@pytest.mark.faults
async def test_seal_of_another_tape(templates: list[Template], tmp_path: Path) -> None:
    """A tape is not opened under another tape's seal, nor without one."""
    folder = tmp_path / "copy"
    shutil.copytree(templates[0].folder, folder)
    files.write_head(folder / "seal", files.Head("another", chain.start("another")))
    with pytest.raises(TapeRefused, match="epoch another"):
        await look(folder)
    (folder / "seal" / files.HEAD).unlink()
    with pytest.raises(TapeRefused, match="no seal"):
        await look(folder)
