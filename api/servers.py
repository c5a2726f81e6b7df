"""The servers of a house: the tape's and the market store's, as children or at addresses of the settings."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from api.endpoints import tape_endpoint
from api.places import Places, read_mark, write_mark
from api.room import MARKET_MIB, TAPE_MIB, require_room
from api.sealing import Sealing, seal_folder
from api.settings import Settings
from events import seal
from events.clock import Clock
from events.errors import ProcessFailed, ReadModelUnavailable, TapedeckError
from events.jetstream import streams
from events.jetstream.configuration import NatsSettings
from events.jetstream.link import Link, LinkLimits
from events.jetstream.server import NatsServer
from events.jetstream.streams import StreamSettings
from events.seal import CheckReport
from events.seal.check import Progress
from projections.questdb.access import Access, Console, access_of
from projections.questdb.java import QuestDbSettings, cached_jar
from projections.questdb.server import QuestDbServer

log = structlog.get_logger(__name__)

NATS, QUESTDB = "nats-server", "questdb"  # by which name a restart knows them
ASK_SECONDS = 3.0  # until a server at an address of the settings has answered

NO_JAR = (
    "The market read model lives in DuckDB: QuestDB's jar is not in the cache folder. "
    "To get it, install Maven and run `make setup`."
)

DUCKDB_WISHED = "The market read model lives in DuckDB, as the settings say. For QuestDB leave market.store out."


def store_line(settings: Settings, store: str) -> str:
    """What to say of the market store where it is not QuestDB, and how to get that; empty where it is."""
    if store != "duckdb":
        return ""
    return DUCKDB_WISHED if settings.market.store == "duckdb" else NO_JAR


def market_store_of(settings: Settings) -> str:
    """`questdb` or `duckdb`: what the settings ask for, as far as it can be had here."""
    if settings.market.store == "questdb" and not settings.market.url and cached_jar() is None:
        return "duckdb"
    return settings.market.store


def _asked(access: Access) -> None:
    console = Console(access, pool_max=1, seconds_max=ASK_SECONDS)
    try:
        console.ask("SELECT 1")
    except ReadModelUnavailable as error:
        raise ReadModelUnavailable(
            error.message, hint="Start it, or set TAPEDECK_QUESTDB_URL to one that runs."
        ) from None
    finally:
        console.close()


class Servers:
    """Started by one process of the house, which keeps them up until `stop`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._places = Places(settings.folder)
        self.nats: NatsServer | None = None
        self.questdb: QuestDbServer | None = None
        self._watches: list[asyncio.Task[None]] = []
        self._market: asyncio.Task[None] | None = None  # its server's start
        self._sealing: Sealing | None = None

    async def start(self, *, market: bool = True) -> None:
        """Start what the settings do not name by address; what they name must answer. The market store comes up
        beside what follows, until `market_started`; without `market` only then, if at all.

        Raises:
            ProcessFailed, Conflict: with what is wrong and what to do.
            TapeUnavailable, ReadModelUnavailable, Forbidden: nobody answers at an address, or not to us.
        """
        await self.reached(market=market)
        self._places.make()
        often, seconds = self._settings.processes.restarts_max, self._settings.processes.window_seconds
        if not self._settings.tape.url:
            self.nats = NatsServer(
                self._places.nats, NatsSettings(restarts_max=often, window_seconds=seconds), self._clock
            )
        if market:
            self._begin_market()
        try:
            if self.nats is not None:
                await self.nats.start()
        except BaseException:
            await self.stop()
            raise
        if self.nats is not None:
            self._watches.append(asyncio.create_task(self.nats.watch()))

    async def reached(self, *, market: bool = True) -> None:
        """Look whether there is room for what starts here, and whether what the settings name by address answers.

        It takes seconds, and nothing is made. Raises as `start`.
        """
        own = market and self._own_market()
        room = (0 if self._settings.tape.url else TAPE_MIB) + (MARKET_MIB if own else 0)
        require_room(self._settings.folder, room, "what starts here")
        if self._settings.tape.url:
            link = await Link.open(tape_endpoint(self._settings, "admin"), LinkLimits(connect_seconds_max=ASK_SECONDS))
            await link.close()
        if market and self._settings.market.store == "questdb" and self._settings.market.url:
            await asyncio.to_thread(_asked, access_of(self._settings.market.url))

    def _begin_market(self) -> None:
        if self._market is not None or not self._own_market():
            return
        market, processes = self._settings.market, self._settings.processes
        limits = QuestDbSettings(
            heap_mb=market.heap_mb,
            compiler=market.compiler,
            restarts_max=processes.restarts_max,
            window_seconds=processes.window_seconds,
        )
        self.questdb = QuestDbServer(self._places.questdb, limits, self._clock)
        self._market = asyncio.create_task(self._start_market(self.questdb))

    def _own_market(self) -> bool:
        """Whether the market store's server is a child of ours."""
        return market_store_of(self._settings) == "questdb" and not self._settings.market.url

    async def _start_market(self, server: QuestDbServer) -> None:
        await server.start()
        self._watches.append(asyncio.create_task(server.watch()))

    async def market_started(self) -> None:
        """Wait until the market store's server answers, where it is a child of ours. Raises as `start`."""
        self._begin_market()
        if self._market is not None:
            await self._market

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
            for stream in (streams.TAPE_STREAM, streams.VAULT_STREAM):
                seal.create(seal_folder(self._places, stream), epoch)
            write_mark(self._places, epoch)
            return epoch
        finally:
            await link.close()

    async def check(self, progress: Progress | None = None) -> CheckReport:
        """Compare the tape and the vault with their seals, whole. Nothing is commanded before this returned.

        Raises:
            TapeDamaged, TapeShorter, TapeForeign, TapeRefused: with the sequence and what to do.
            Conflict: another process seals this folder.
        """
        sealing = await Sealing.open(self._settings, self._clock)
        try:
            return await sealing.check(deep=True, progress=progress)
        finally:
            await sealing.close()

    async def guard(self, progress: Progress | None = None) -> CheckReport:
        """As `check`, and this process seals both until `stop`: for verbs that run without a house."""
        self._sealing = await Sealing.open(self._settings, self._clock)
        report = await self._sealing.check(deep=True, progress=progress)
        await self._sealing.start()
        return report

    def pids(self) -> dict[str, int]:
        """Pids of the servers that run as children of this process."""
        found = {NATS: self.nats, QUESTDB: self.questdb}
        return {name: server.pid for name, server in found.items() if server is not None and server.pid is not None}

    def ask_restart(self, name: str) -> int:
        """Tell a server to stop; its watch starts it again. The pid it had; raises KeyError: it is not ours."""
        server = {NATS: self.nats, QUESTDB: self.questdb}[name]
        if server is None:
            raise KeyError(name)
        return server.ask_restart()

    def watched(self) -> None:
        """Look once whether all are kept up; raises what ended one for good."""
        for watch in self._watches:
            if watch.done():
                watch.result()

    async def stop(self) -> None:
        """Write the seals' heads, then stop both, each by pid. Returns when neither runs."""
        if self._sealing is not None:
            await self._sealing.close()
        if self._market is not None:
            self._market.cancel()
            with contextlib.suppress(asyncio.CancelledError, TapedeckError):
                await self._market
        for watch in self._watches:
            watch.cancel()
        for server in (self.questdb, self.nats):
            if server is not None:
                with contextlib.suppress(ProcessFailed):
                    await server.stop()
