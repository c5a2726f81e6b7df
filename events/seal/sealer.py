"""The process that seals: one tail over the whole tape, its chain written outside the store at an interval."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import structlog

from events.clock import Clock, SystemClock
from events.errors import TapeDamaged, TapeShorter
from events.seal import files
from events.seal.chain import Chain, Point
from events.seal.files import Head
from events.seal.proving import Prover
from events.tape import Message, Tail, Tape

PROVING_ROUNDS_MAX = 4  # between two writings of the head: 64 MB of block files, about a second

log = structlog.get_logger(__name__)


class SealSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named intervals."""

    interval_seconds: float = 1.0  # between two writings of the head
    point_bytes: int = 67_108_864  # of bodies between two points, from any of which a check can begin
    point_messages: int = 5_000


class Sealer:
    """Runs until `close`; what ended it otherwise is in `failed`. Run one for a data folder, after `check` passed."""

    def __init__(
        self,
        tape: Tape,
        folder: Path,
        *,
        store: Path | None = None,
        settings: SealSettings | None = None,
        clock: Clock | None = None,
        name: str = "tape",
    ) -> None:
        self.failed: BaseException | None = None
        self._tape, self._folder, self._name = tape, folder, name
        self._prover = Prover(folder, store) if store is not None else None  # where the store is on this machine
        self._settings = settings or SealSettings()
        self._clock: Clock = clock or SystemClock()
        self._head = Head("", Point(0, "", 0))
        self._chain = Chain(self._head.point)
        self._pointed = self._head.point
        self._tail: Tail | None = None
        self._task: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()
        self._stopping = asyncio.Event()
        self._writing = asyncio.Lock()

    @property
    def sealed(self) -> int:
        """The last sequence whose hash is on disk."""
        return self._head.point.sequence

    async def start(self) -> None:
        """Begin behind the head.

        Raises:
            TapeShorter: the tape ends before the head.
            TapeForeign, TapeRefused: the seal is another tape's, missing or damaged.
            TapeUnavailable.
        """
        info = await self._tape.info()
        self._head = files.read_head(self._folder, info.epoch)
        self._chain = Chain(self._head.point)
        self._pointed = max(files.read_points(self._folder), default=Point(0, "", 0), key=lambda point: point.size)
        if info.last < self._chain.sequence:
            raise TapeShorter(
                f"The {self._name} ends at {info.last}, but it was sealed up to {self._chain.sequence}.",
                sequence=info.last + 1,
                hint="Keep the server's folder as it is and restore it from a copy.",
            )
        self._tail = await self._tape.tail(self._chain.sequence + 1, self._receive)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _receive(self, message: Message) -> None:
        if not self._chain.add(message):
            raise TapeDamaged(
                f"Behind sequence {self._chain.sequence} of the {self._name} comes {message.sequence}: one is missing.",
                sequence=self._chain.sequence + 1,
                hint="Stop, and run `tapedeck doctor`.",
            )
        grown = self._chain.size - self._pointed.size >= self._settings.point_bytes
        if grown or self._chain.sequence - self._pointed.sequence >= self._settings.point_messages:
            self._pointed = self._chain.point
            await self._write(self._pointed)
            await asyncio.to_thread(files.add_point, self._folder, self._pointed)

    async def _run(self) -> None:
        try:
            while self._tail is not None and self._tail.failed is None and not self._stopping.is_set():
                await self._pause()
                await self._write(self._chain.point)
                await self._prove()
            if self._tail is not None:
                self.failed = self._tail.failed
        except Exception as error:
            self.failed = error
        if self.failed is not None:
            log.error("seal_failed", of=self._name, sequence=self._chain.sequence, error=str(self.failed))
        self._wake()

    async def _pause(self) -> None:
        """Wait for the interval, or for the end."""
        waits = {asyncio.ensure_future(self._clock.sleep(self._settings.interval_seconds))}
        waits.add(asyncio.ensure_future(self._stopping_set()))
        _, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()

    async def _stopping_set(self) -> None:
        await self._stopping.wait()

    async def _write(self, point: Point) -> None:
        async with self._writing:
            if point.sequence <= self._head.point.sequence:
                return
            head = Head(self._head.epoch, point)
            await asyncio.to_thread(files.write_head, self._folder, head)
            self._head = head
        self._wake()

    async def _prove(self) -> None:
        """Proofs of files that were closed since; bounded, so that an end does not wait for all of a long tape."""
        if self._prover is None:
            return
        for _ in range(PROVING_ROUNDS_MAX):
            if not await asyncio.to_thread(self._prover.work, self._head):
                return

    async def ended(self) -> None:
        """Wait until it ended; raises what ended it."""
        assert self._task is not None, "started first"
        await asyncio.wait([self._task])
        if self.failed is not None:
            raise self.failed

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def wait(self, sequence: int, seconds: float) -> None:
        """Wait until a sequence is sealed.

        Raises:
            TimeoutError: it is not within the bound.
            TapeDamaged, TapeShorter: sealing has ended.
        """
        async with asyncio.timeout(seconds):
            while self.sealed < sequence:
                if self.failed is not None:
                    raise self.failed
                await self._moved.wait()

    async def close(self) -> None:
        """Stop, and write the head a last time."""
        if self._tail is not None:
            await self._tail.close()
        self._stopping.set()
        if self._task is not None:  # it writes the head a last time
            await asyncio.wait([self._task])
