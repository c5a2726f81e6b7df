"""Proofs of closed block files, each made from the bytes that were read back from the disk and compared.

A hash of a file as it lies there proves nothing by itself: a bit that turned over while the server still held the
messages in memory would be baked in. So a file is read once; its records' own checksums and the chain over its
messages are compared with the seal's points, and the hash of those same bytes is the proof.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from events.seal import blocks, chain, files
from events.seal.blocks import RecordDamaged
from events.seal.chain import Chain, Point
from events.seal.files import Block, Head

ROUND_BLOCKS_MAX = 2  # read back in one call: 16 MB of the embedded server's files, some tenths of a second

log = structlog.get_logger(__name__)


class Prover:
    """Follows the closed files of a store; `folder` is the seal's."""

    def __init__(self, folder: Path, store: Path) -> None:
        self._folder, self._store = folder, store
        self._proved = files.read_blocks(folder)
        self._at: Chain | None = None
        self._began = 0  # the sequence of the point that the chain began at
        self._waiting: list[Block] = []  # read back; the next point is not reached yet

    def work(self, head: Head) -> bool:
        """Read back some of the files that were closed since and prove what a point confirms; True where more wait."""
        closed = [found for found in blocks.closed(self._store) if found[2] <= head.point.sequence]
        if all(path.name in self._proved for path, _, _ in closed):
            return False
        points = [chain.start(head.epoch), *files.read_points(self._folder), head.point]
        if self._at is None:
            first = next(first for path, first, _ in closed if path.name not in self._proved)
            self._begin(max((point for point in points if point.sequence < first), key=lambda point: point.sequence))
        fresh = [found for found in closed if found[2] > self._reached]
        for path, first, last in fresh[:ROUND_BLOCKS_MAX]:
            try:
                self._take(path, first, last, {point.sequence: point.hash for point in points})
            except (OSError, RecordDamaged) as error:
                log.warning("seal_block_differs", file=path.name, first=first, last=last, error=str(error))
                following = (point for point in points if point.sequence >= last)
                self._begin(min(following, key=lambda point: point.sequence))
        return len(fresh) > ROUND_BLOCKS_MAX

    @property
    def _reached(self) -> int:
        return self._at.sequence if self._at is not None else 0

    def _begin(self, point: Point) -> None:
        self._at, self._began, self._waiting = Chain(point), point.sequence, []

    def _take(self, path: Path, first: int, last: int, points: dict[int, str]) -> None:
        assert self._at is not None, "begun first"
        data = path.read_bytes()
        confirmed = 0
        for message in blocks.messages(path, data):
            if message.sequence <= self._at.sequence:
                continue
            if not self._at.add(message):
                raise RecordDamaged(f"behind message {self._at.sequence} comes {message.sequence}")
            wanted = points.get(message.sequence)
            if wanted is not None and wanted != self._at.point.hash:
                raise RecordDamaged(f"up to message {message.sequence} it differs from the seal")
            confirmed = message.sequence if wanted is not None else confirmed
        if first > self._began and path.name not in self._proved:
            self._waiting.append(blocks.block(path.name, first, last, data))
        for block in [waiting for waiting in self._waiting if waiting.last <= confirmed]:
            files.add_block(self._folder, block)
            self._proved[block.name] = block
        self._waiting = [waiting for waiting in self._waiting if waiting.last > confirmed]
