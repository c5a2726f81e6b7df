"""How long the comparison of a tape with its seal takes at a start, and what sealing costs.

    python -m benchmarks.seal_check [--frames 512] [--facts 40000]

Three checks of the same tape: as a house with its own server does it (closed block files hashed, the rest read), with
everything read through the server, and with only what follows the last point read. Beside them, hashing a file of the
same size and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import tempfile
import time
from pathlib import Path

from benchmarks.tape_site import FRAME_ROWS, rows
from events import frames, seal
from events.jetstream import roles, streams
from events.jetstream.link import Link
from events.jetstream.roles import Role
from events.jetstream.server import NatsServer
from events.jetstream.tape import JetStreamTape
from events.tape import Append

EPOCH = "bench"


async def fill(tape: JetStreamTape, frame_count: int, fact_count: int) -> None:
    """A recording, then a session's small messages."""
    body = frames.encode([rows(FRAME_ROWS)])
    await tape.append_bulk(Append("tape.market.s", body, f"s:{at}") for at in range(frame_count))
    for first in range(0, fact_count, 500):
        await tape.append_atomic([Append("tape.session.a.fact", b"f" * 300, f"f-{first + at}") for at in range(500)])


async def sealed(server: NatsServer, folder: Path, frame_count: int, fact_count: int) -> None:
    """Make, fill and seal a tape; print what sealing costs."""
    link = await Link.open(server.endpoint("bench"))
    await streams.init(link, EPOCH)
    seal.create(folder, EPOCH)
    tape = await JetStreamTape.open(link)
    await fill(tape, frame_count, fact_count)
    sealer = seal.Sealer(tape, folder, store=server.blocks(streams.TAPE_STREAM))
    info = await tape.info()
    began = time.perf_counter()
    await sealer.start()
    await sealer.wait(info.last, 600)
    took = time.perf_counter() - began
    print(
        f"sealing {info.last:,} messages, {info.size_bytes / 1e6:,.0f} MB: {took:.2f} s, "
        f"{info.size_bytes / 1e6 / took:,.0f} MB/s"
    )
    await sealer.close()
    await link.close()


async def check(server: NatsServer, folder: Path) -> None:
    """Print each kind of check."""
    link = await Link.open(server.endpoint("bench"))
    tape = await JetStreamTape.open(link)
    for what, store, deep in (
        ("own server: closed files hashed", server.blocks(streams.TAPE_STREAM), True),
        ("everything read", None, True),
        ("only behind the last point", None, False),
    ):
        report = await seal.check(tape, folder, store=store, deep=deep)
        print(
            f"{what:<34}{report.elapsed_seconds:>8.2f} s  {report.bytes_proved / 1e6:>8,.0f} MB hashed"
            f"{report.bytes_read / 1e6:>8,.0f} MB in {report.messages_read:,} messages read"
        )
    await link.close()


def bare(folder: Path) -> None:
    """Hash the block files and nothing else."""
    began, size = time.perf_counter(), 0
    for path in sorted(folder.glob("*.blk")):
        with path.open("rb") as file:
            hashlib.file_digest(file, "blake2b")
            size += file.tell()
    took = time.perf_counter() - began
    print(
        f"{'bare: hashing the files':<34}{took:>8.2f} s  {size / 1e6:>8,.0f} MB hashed, {size / 1e6 / took:,.0f} MB/s"
    )


async def main(frame_count: int, fact_count: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="tapedeck-bench-") as name:
        folder = Path(name)
        server = NatsServer(folder / "nats", role_table={**roles.ROLES, "bench": Role((">",), vault=True)})
        await server.start()
        try:
            await sealed(server, folder / "seal", frame_count, fact_count)
            await server.restart()
            await check(server, folder / "seal")
            bare(server.blocks(streams.TAPE_STREAM))
        finally:
            await server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=512)
    parser.add_argument("--facts", type=int, default=40_000)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.frames, arguments.facts))
