"""The servers of a house: the tape's and the market store's, as children or at addresses of the settings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from pathlib import Path

import structlog

from api.places import Places, epoch_of, read_mark, write_mark
from api.settings import Settings
from events import seal
from events.clock import Clock
from events.errors import ProcessFailed
from events.jetstream import streams
from events.jetstream.configuration import NatsSettings
from events.jetstream.link import Endpoint, Link
from events.jetstream.roles import seed_file
from events.jetstream.server import NatsServer, endpoint
from events.jetstream.streams import StreamSettings
from events.jetstream.tape import JetStreamTape
from events.seal import CheckReport, Sealer
from events.seal.check import Progress
from projections.questdb.java import QuestDbSettings, cached_jar
from projections.questdb.server import QuestDbServer

log = structlog.get_logger(__name__)

NO_JAR = (
    "The market read model lives in DuckDB: QuestDB's jar is not in the cache folder. "
    "To get it, install Maven and run `make setup`."
)


def tape_endpoint(settings: Settings, role: str) -> Endpoint:
    """How a role reaches the tape's server. Raises NotAvailable where none was started."""
    if settings.tape.url:
        credentials = Path(settings.tape.credentials)
        if settings.tape.credentials and credentials.is_dir():  # one nkey seed a role, as deploy/make_keys.py writes
            return Endpoint(settings.tape.url, role, seed_file=str(seed_file(credentials, role)))
        return Endpoint(settings.tape.url, role, credentials_file=settings.tape.credentials)
    return endpoint(Places(settings.folder).nats, role)


def market_store_of(settings: Settings) -> str:
    """`questdb` or `duckdb`: what the settings ask for, as far as it can be had here."""
    if settings.market.store == "questdb" and not settings.market.url and cached_jar() is None:
        return "duckdb"
    return settings.market.store


class Servers:
    """Started by one process of the house, which keeps them up until `stop`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._places = Places(settings.folder)
        self.nats: NatsServer | None = None
        self.questdb: QuestDbServer | None = None
        self._watch: asyncio.Task[None] | None = None
        self._sealing: tuple[Link, JetStreamTape] | None = None
        self._sealer: Sealer | None = None

    async def start(self, *, market: bool = True) -> None:
        """Start what the settings do not name by address.

        Raises:
            ProcessFailed, Conflict: with what is wrong and what to do.
        """
        self._places.make()
        waits: list[Coroutine[object, object, object]] = []
        if not self._settings.tape.url:
            self.nats = NatsServer(self._places.nats, NatsSettings(), self._clock)
            waits.append(self.nats.start())
        if market and market_store_of(self._settings) == "questdb" and not self._settings.market.url:
            self.questdb = QuestDbServer(
                self._places.questdb, QuestDbSettings(heap_mb=self._settings.market.heap_mb), self._clock
            )
            waits.append(self.questdb.start())
        try:
            await asyncio.gather(*waits)
        except BaseException:
            await self.stop()
            raise
        if self.nats is not None:
            self._watch = asyncio.create_task(self.nats.watch())

    async def init(self) -> str:
        """Make the streams where this folder has none yet; returns the epoch.

        Raises:
            TapeMissing, TapeForeign: this folder has a tape, and the server has not or has another.
        """
        link = await Link.open(tape_endpoint(self._settings, "admin"))
        try:
            mark = read_mark(self._places)
            if mark is not None:
                streams.check_epoch(await streams.info(link, streams.TAPE_STREAM), mark.epoch)
                return mark.epoch
            settings = StreamSettings(replicas=self._settings.tape.replicas)
            epoch = await streams.init(link, self._clock.new_id(), settings)
            seal.create(self._places.seal, epoch)
            write_mark(self._places, epoch)
            return epoch
        finally:
            await link.close()

    async def guard(self, progress: Progress | None = None) -> CheckReport:
        """Compare the tape with its seal, then keep sealing it. Nothing is commanded before this returned.

        Raises:
            TapeDamaged, TapeShorter, TapeForeign, TapeRefused: with the sequence and what to do.
        """
        epoch = epoch_of(self._places)
        link = await Link.open(tape_endpoint(self._settings, "seal"))
        tape = await JetStreamTape.open(link, epoch=epoch, clock=self._clock)
        self._sealing = (link, tape)
        store = self.nats.blocks(streams.TAPE_STREAM) if self.nats else None
        report = await seal.check(
            tape, self._places.seal, store=store, deep=self.nats is not None, progress=progress, clock=self._clock
        )
        self._sealer = seal.Sealer(tape, self._places.seal, store=store, clock=self._clock)
        await self._sealer.start()
        return report

    async def failed(self) -> None:
        """Wait until a server cannot be kept up; raises what happened."""
        waits: list[asyncio.Task[object]] = []
        if self._watch is not None:
            waits.append(asyncio.ensure_future(self._watch))
        if self.questdb is not None:
            waits.append(asyncio.create_task(self._questdb_ended(self.questdb)))
        if not waits:
            await asyncio.Event().wait()
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in waits:
                task.cancel()

    @staticmethod
    async def _questdb_ended(server: QuestDbServer) -> None:
        code = await server.ended()
        raise ProcessFailed(f"QuestDB ended with code {code}.\n{server.log_tail()}")

    async def stop(self) -> None:
        """Write the seal's head, then stop both, each by pid. Returns when neither runs."""
        if self._sealer is not None:
            await self._sealer.close()
        if self._sealing is not None:
            await self._sealing[1].close()
            await self._sealing[0].close()
        if self._watch is not None:
            self._watch.cancel()
        for server in (self.questdb, self.nats):
            if server is not None:
                with contextlib.suppress(ProcessFailed):
                    await server.stop()
