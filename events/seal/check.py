"""Comparing a tape with its seal, before any command is accepted."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import msgspec

from events.clock import NS_PER_SECOND, SystemClock
from events.errors import TapeDamaged, TapeShorter, TapeUnavailable
from events.seal import blocks, chain, files
from events.seal.chain import Chain, Point
from events.seal.files import Block
from events.tape import Tape, TapeInfo

Progress = Callable[[int, int], None]  # bytes done, bytes in all
_HINT = (
    "Nothing was appended. Keep the server's folder as it is, restore it from a copy, or start a new tape in another "
    "data folder and import again."
)


class CheckReport(msgspec.Struct, frozen=True):
    """What a check that passed looked at."""

    sequence: int  # sealed up to here
    last: int  # of the tape; what lies between was readable and without a gap
    messages_read: int
    bytes_read: int  # of bodies read through the server
    bytes_proved: int  # of block files hashed instead
    elapsed_seconds: float


async def check(
    tape: Tape,
    folder: Path,
    *,
    store: Path | None = None,
    deep: bool = True,
    progress: Progress | None = None,
    name: str = "tape",
) -> CheckReport:
    """Compare every message of the tape with the seal in `folder`; errors call it by `name`.

    `store` is the folder of the stream's block files where they are on this machine. With `deep=False` only what
    follows the last point (64 MB of bodies at most) is read, beside first, last and count: for a server elsewhere,
    which guards its own files.

    Raises:
        TapeShorter, TapeDamaged, TapeForeign: with the sequence and what to do.
        TapeRefused: the seal itself is missing or damaged.
        TapeUnavailable: the server does not answer.
    """
    return await _Check(tape, folder, store, name, progress).run(deep=deep)


class _Check:
    def __init__(self, tape: Tape, folder: Path, store: Path | None, name: str, progress: Progress | None) -> None:
        self._tape, self._folder, self._store, self._name = tape, folder, store, name
        self._clock = SystemClock()  # of the report alone
        self._progress = progress or (lambda done, total: None)
        self._messages = 0
        self._read = 0
        self._proved_bytes = 0
        self._done = 0
        self._total = 0

    async def run(self, *, deep: bool) -> CheckReport:
        began = self._clock.monotonic_ns()
        info = await self._tape.info()
        head = files.read_head(self._folder, info.epoch)
        await self._check_ends(info, head.point)
        self._total = info.size_bytes
        points = [point for point in files.read_points(self._folder) if point.sequence < head.point.sequence]
        proved = await asyncio.to_thread(self._prove) if deep else []
        await self._compare([chain.start(info.epoch), *points, head.point], proved, deep=deep)
        await self._rest(head.point, info.last)
        elapsed = (self._clock.monotonic_ns() - began) / NS_PER_SECOND
        return CheckReport(head.point.sequence, info.last, self._messages, self._read, self._proved_bytes, elapsed)

    async def _check_ends(self, info: TapeInfo, sealed: Point) -> None:
        if info.last < sealed.sequence:
            raise TapeShorter(
                f"The {self._name} ends at sequence {info.last}, but it was sealed up to {sealed.sequence}: "
                f"{sealed.sequence - info.last} messages are gone.",
                sequence=info.last + 1,
                hint=_HINT,
            )
        if info.last and (info.first != 1 or info.messages != info.last):
            await self._walk(chain.start(info.epoch), info.last)  # says which is the first that is missing
            raise TapeDamaged(
                f"The {self._name} goes from sequence {info.first} to {info.last} but counts {info.messages} messages.",
                sequence=info.first,
                hint=_HINT,
            )

    def _prove(self) -> list[Block]:
        """The proofs that hold, ascending; the others are forgotten."""
        if self._store is None:
            return []
        known = files.read_blocks(self._folder)
        kept: list[Block] = []
        for path, first, last in blocks.closed(self._store):
            wanted = known.get(path.name)
            if wanted is None or (wanted.first, wanted.last) != (first, last):
                continue
            if blocks.proof(path, first, last) == wanted:
                kept.append(wanted)
                self._proved_bytes += wanted.size
                self._step(wanted.size)
        if len(kept) != len(known):
            files.write_blocks(self._folder, kept)
        return kept

    async def _compare(self, points: list[Point], proved: list[Block], *, deep: bool) -> None:
        """Read each stretch between two points that the proofs do not cover, and compare the hash at its end."""
        spans = list(itertools.pairwise(points))
        for before, after in spans if deep else spans[-1:]:
            if not _covers(proved, before.sequence + 1, after.sequence):
                await self._span(before, after)

    async def _span(self, before: Point, after: Point) -> None:
        reached = await self._walk(before, after.sequence)
        if reached.hash != after.hash:
            raise TapeDamaged(
                f"Between sequence {before.sequence + 1} and {after.sequence} the {self._name} differs from its seal.",
                sequence=before.sequence + 1,
                hint=_HINT,
            )

    async def _rest(self, sealed: Point, last: int) -> None:
        """What came after the last sealing: not known, but it must be whole."""
        if last > sealed.sequence:
            await self._walk(sealed, last)

    async def _walk(self, before: Point, last: int) -> Point:
        """The chain from a point to a sequence.

        Raises:
            TapeDamaged: a message is missing or cannot be read.
        """
        at = Chain(before)
        try:
            async for message in self._tape.read(before.sequence + 1, end=last):
                if not at.add(message):
                    break
                self._messages += 1
                self._read += len(message.body)
                self._step(len(message.body))
        except TapeUnavailable:
            await self._tape.info()  # raises where it is the server that is gone, and not the message
        if at.sequence != last:
            raise TapeDamaged(
                f"Message {at.sequence + 1} of the {self._name} is missing or cannot be read.",
                sequence=at.sequence + 1,
                hint=_HINT,
            )
        return at.point

    def _step(self, size: int) -> None:
        self._done += size
        self._progress(min(self._done, self._total), self._total)


def _covers(proved: list[Block], first: int, last: int) -> bool:
    """Whether the proofs, one behind the other, cover every sequence from first to last."""
    following = first
    for block in proved:
        if block.first <= following <= block.last:
            following = block.last + 1
    return following > last
