"""The files of a seal: `seal.json` (its head, replaced whole), `points.jsonl` and `blocks.jsonl` (lines added).

Every record carries a hash of itself. A damaged head is refused; a damaged line counts as missing, which costs only
time: what it would have proved is read again.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TypeVar

import msgspec

from events.children import open_private, sync_folder, write_private
from events.errors import Conflict, TapeForeign, TapeRefused
from events.seal import chain
from events.seal.chain import Point

HEAD = "seal.json"
POINTS = "points.jsonl"
BLOCKS = "blocks.jsonl"
_HINT = "If you know that the tape is whole, run `tapedeck doctor --reseal`; else restore both from a copy."


class Head(msgspec.Struct, frozen=True):
    """The newest place of the chain that is known to be on disk."""

    epoch: str
    point: Point


class Block(msgspec.Struct, frozen=True):
    """A closed file of the store whose messages are all in the chain: its hash proves them unread."""

    name: str
    first: int  # sequences
    last: int
    size: int  # bytes of the file
    hash: str


class _Record(msgspec.Struct, frozen=True):
    check: str
    body: msgspec.Raw


Kind = TypeVar("Kind", Point, Block, Head)


def create(folder: Path, epoch: str) -> None:
    """Begin the seal of a new tape; nothing happens where this epoch's seal is there already.

    Raises:
        TapeForeign: the folder holds the seal of another epoch.
        TapeRefused: the folder holds a damaged seal.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (folder / HEAD).exists():
        read_head(folder, epoch)
        return
    write_head(folder, Head(epoch, chain.start(epoch)))


def read_head(folder: Path, epoch: str) -> Head:
    """The head of the seal.

    Raises:
        TapeRefused: there is none, or it is damaged.
        TapeForeign: it belongs to another epoch.
    """
    try:
        head = _decode((folder / HEAD).read_bytes(), Head)
    except FileNotFoundError:
        raise TapeRefused(f"There is no seal in {folder}.", code="SEAL_MISSING", hint=_HINT) from None
    except OSError as error:
        raise TapeRefused(f"The seal in {folder} cannot be read: {error}.", code="SEAL_MISSING", hint=_HINT) from None
    if head is None:
        raise TapeRefused(f"The seal in {folder} is damaged.", code="SEAL_DAMAGED", hint=_HINT)
    if head.epoch != epoch:
        raise TapeForeign(
            f"The seal in {folder} belongs to epoch {head.epoch}, the tape has epoch {epoch}.",
            hint="Connect to the server that this data folder belongs to, or use another data folder.",
        )
    return head


def write_head(folder: Path, head: Head) -> None:
    """Replace the head; on disk when it returns."""
    write_private(folder / HEAD, _encode(head))


def restart(folder: Path, epoch: str) -> None:
    """Forget what is there and begin anew; the old head is kept as `seal.json.old`.

    Raises:
        Conflict: the folder cannot be written.
    """
    try:
        for name in (POINTS, BLOCKS):
            (folder / name).unlink(missing_ok=True)
        if (folder / HEAD).exists():
            (folder / HEAD).replace(folder / f"{HEAD}.old")
        create(folder, epoch)
    except OSError as error:
        raise Conflict(f"The seal in {folder} cannot be replaced: {error}.") from None


def read_points(folder: Path) -> list[Point]:
    """The good points, ascending."""
    return sorted(_read_lines(folder / POINTS, Point), key=lambda point: point.sequence)


def read_blocks(folder: Path) -> dict[str, Block]:
    """The newest good record of each file."""
    return {block.name: block for block in _read_lines(folder / BLOCKS, Block)}


def add_point(folder: Path, point: Point) -> None:
    """Add a point; on disk when it returns."""
    _add(folder / POINTS, _encode(point))


def add_block(folder: Path, block: Block) -> None:
    """Add a file's proof; on disk when it returns."""
    _add(folder / BLOCKS, _encode(block))


def write_blocks(folder: Path, blocks: list[Block]) -> None:
    """Replace all proofs."""
    write_private(folder / BLOCKS, b"".join(_encode(block) + b"\n" for block in blocks))


def _add(path: Path, line: bytes) -> None:
    is_new = not path.exists()
    with open_private(path, "ab") as file:
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_folder(path.parent)


def _read_lines(path: Path, kind: type[Kind]) -> list[Kind]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return []
    return [record for line in lines if (record := _decode(line, kind)) is not None]


def _encode(record: Point | Block | Head) -> bytes:
    body = msgspec.json.encode(record)
    return msgspec.json.encode(_Record(_check(body), msgspec.Raw(body)))


def _decode(line: bytes, kind: type[Kind]) -> Kind | None:
    try:
        record = msgspec.json.decode(line, type=_Record)
        return msgspec.json.decode(record.body, type=kind) if record.check == _check(bytes(record.body)) else None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _check(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()
