"""Sealing both logs of a data folder, the tape and the vault, each with a seal of its own. One owner at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import IO, Literal

import msgspec

from api.endpoints import tape_endpoint
from api.places import Places, epoch_of
from api.settings import Settings
from events import children, seal
from events.clock import Clock
from events.errors import TapedeckError
from events.jetstream.link import Link
from events.jetstream.server import NatsServer
from events.jetstream.streams import TAPE_STREAM, VAULT_STREAM
from events.jetstream.tape import JetStreamTape
from events.seal import CheckReport, Sealer
from events.seal.check import Progress

CLOSE_SECONDS_MAX = 2.0  # until what was appended last is sealed
OWNER = "owner.json"
NAMES = {TAPE_STREAM: "tape", VAULT_STREAM: "vault"}


class Owner(msgspec.Struct, frozen=True):
    """Who has the seals of a folder, and whether its check has passed."""

    pid: int
    state: Literal["checking", "sealing"]


def seal_folder(places: Places, stream: str) -> Path:
    """Where the seal of a stream lies."""
    return places.seal if stream == TAPE_STREAM else places.vault_seal


def owner_of(places: Places) -> Owner | None:
    """The last owner that wrote itself down; None where there was none."""
    try:
        return msgspec.json.decode((places.seal / OWNER).read_bytes(), type=Owner)
    except (OSError, msgspec.MsgspecError):
        return None


class Sealing:
    """The seals of one data folder in this process's hands, from `open` to `close`."""

    def __init__(self, settings: Settings, clock: Clock, lock: IO[bytes], link: Link) -> None:
        self.link = link
        self._places = Places(settings.folder)
        self._here = not settings.tape.url  # the server's files are on this machine
        self._clock = clock
        self._lock = lock
        self._tapes: dict[str, JetStreamTape] = {}
        self._sealers: dict[str, Sealer] = {}

    @classmethod
    async def open(cls, settings: Settings, clock: Clock) -> Sealing:
        """Take the seals and connect.

        Raises:
            Conflict: another process has them.
            NotAvailable: `init` never ran here.
            TapeMissing, TapeForeign, TapeUnavailable: see `JetStreamTape.open`.
        """
        places = Places(settings.folder)
        epoch = epoch_of(places)
        places.seal.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = children.own(places.seal)
        try:
            link = await Link.open(tape_endpoint(settings, "seal"))
        except BaseException:
            lock.close()
            raise
        made = cls(settings, clock, lock, link)
        try:
            made._say("checking")
            for stream in NAMES:
                made._tapes[stream] = await JetStreamTape.open(link, stream=stream, epoch=epoch, clock=clock)
        except BaseException:
            await made.close()
            raise
        return made

    def _say(self, state: Literal["checking", "sealing"]) -> None:
        children.write_private(self._places.seal / OWNER, msgspec.json.encode(Owner(os.getpid(), state)))

    def _store(self, stream: str) -> Path | None:
        return NatsServer(self._places.nats).blocks(stream) if self._here else None

    async def check(self, *, deep: bool, progress: Progress | None = None) -> CheckReport:
        """Compare both logs with their seals; gives the report of the tape. Without `deep` from the last point on.

        Raises:
            TapeDamaged, TapeShorter, TapeForeign, TapeRefused: with the sequence and what to do.
        """
        reports = {}
        for stream, name in NAMES.items():
            reports[stream] = await seal.check(
                self._tapes[stream],
                seal_folder(self._places, stream),
                store=self._store(stream),
                deep=deep and self._here,
                progress=progress if stream == TAPE_STREAM else None,
                name=name,
            )
        return reports[TAPE_STREAM]

    async def start(self) -> None:
        """Seal both from now on. Raises as `Sealer.start`."""
        for stream, name in NAMES.items():
            sealer = Sealer(
                self._tapes[stream],
                seal_folder(self._places, stream),
                store=self._store(stream),
                clock=self._clock,
                name=name,
            )
            self._sealers[stream] = sealer
            await sealer.start()
        self._say("sealing")

    @property
    def sealed(self) -> int:
        """The last sequence of the tape whose hash is on disk."""
        return self._sealers[TAPE_STREAM].sealed

    async def behind(self) -> int:
        """Messages of both logs that are not sealed yet. Raises TapeUnavailable."""
        lasts = {stream: (await self._tapes[stream].info()).last for stream in self._sealers}
        return sum(max(0, lasts[stream] - sealer.sealed) for stream, sealer in self._sealers.items())

    async def ended(self) -> None:
        """Wait until the sealing of one of them ends; raises what ended it."""
        waits = [asyncio.ensure_future(sealer.ended()) for sealer in self._sealers.values()]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            for one in waits:
                one.cancel()

    async def close(self) -> None:
        """Seal what was appended until now, within a bound, and give the seals back."""
        with contextlib.suppress(TapedeckError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                for stream, sealer in self._sealers.items():
                    await sealer.wait((await self._tapes[stream].info()).last, CLOSE_SECONDS_MAX)
        for sealer in self._sealers.values():
            await sealer.close()
        for tape in self._tapes.values():
            await tape.close()
        await self.link.close()
        self._lock.close()
