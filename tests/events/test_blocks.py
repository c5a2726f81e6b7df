"""Block files of a real server, read without it: every message, and each bit that is not as it was written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from events.jetstream import streams
from events.jetstream.server import NatsServer
from events.jetstream.tape import JetStreamTape
from events.seal import blocks, checksum
from events.tape import Append
from tests.fixtures.nats import admin_link, nats_server, real_tape  # noqa: F401

SIZES = 70  # every length of the last packet, twice


@pytest.mark.parametrize(("size", "expected"), [(0, 0x907A56DE22C26E53), (1, 0x7EAB43AAC7CDDD78)])
def test_reference_vectors(size: int, expected: int) -> None:
    """The checksum is HighwayHash-64 as its authors publish it."""
    key = np.frombuffer(bytes(range(32)), "<u8").copy()
    assert checksum.highway64(key, [bytes(range(size))]).tolist() == [expected]


def test_records_side_by_side() -> None:
    """Records of every length have the checksum they have alone, in whatever order they lie in a file."""
    key = checksum.key_of("TAPE", 1)
    records = [bytes(at % 251 for at in range(size)) for size in (*range(130), 5_000, 0, 64, 5_001, 31)]
    alone = [int(checksum.highway64(key, [record])[0]) for record in records]
    assert checksum.highway64(key, records).tolist() == alone
    assert checksum.highway64(key, records[::-1]).tolist() == alone[::-1]


def test_the_seal_needs_no_compiler() -> None:
    """The process that seals loads no compiler: it is small, and starts at once."""
    loaded = "import sys, api.processes.seal; print('numba' in sys.modules or 'llvmlite' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


async def test_messages_of_a_file(nats_server: NatsServer, real_tape: JetStreamTape) -> None:  # noqa: F811
    """A block file holds what the server gives: subjects, headers, bodies, times."""
    for size in range(SIZES):
        headers = {"Cause": str(size)} if size % 2 else {}
        await real_tape.append(Append("tape.a", bytes(range(size)), f"m-{size}", headers))
    await real_tape.append_atomic([Append("tape.b", b"x", f"b-{index}") for index in range(3)])
    path = newest(nats_server)
    assert list(blocks.messages(path, path.read_bytes())) == [message async for message in real_tape.read()]


async def test_any_bit_of_a_file_counts(nats_server: NatsServer, real_tape: JetStreamTape) -> None:  # noqa: F811
    """No bit of a file turns over unseen: a checksum fails, or another message is read."""
    for size in (0, 5, 33):
        await real_tape.append(Append("tape.a", bytes(range(size)), f"m-{size}", {"Cause": "1"}))
    path = newest(nats_server)
    whole = path.read_bytes()
    expected = list(blocks.messages(path, whole))
    for bit in range(len(whole) * 8):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        try:
            assert list(blocks.messages(path, bytes(data))) != expected, f"bit {bit} is not seen"
        except blocks.RecordDamaged:
            continue


def newest(server: NatsServer) -> Path:
    """The tape's newest block file."""
    return max(server.blocks(streams.TAPE_STREAM).glob("*.blk"), key=lambda path: int(path.stem))
