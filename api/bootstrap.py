"""The composition root: builds every process of a house from the settings. Nothing else knows every package.

Each function imports what it builds: a projector has no use for numba, nor an engine for DuckDB.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog

from api.endpoints import tape_endpoint
from api.places import Places, epoch_of
from api.processes.signs import host_name
from api.settings import Settings
from events.clock import Clock
from events.durations import Durations, order_durations
from events.errors import ReadModelUnavailable
from events.jetstream import streams
from events.jetstream.blobs import JetStreamBlobs
from events.jetstream.keys import JetStreamKeys
from events.jetstream.link import Link
from events.jetstream.streams import BLOBS, COUNTERS, LIVENESS
from events.jetstream.tape import JetStreamTape
from events.tape import Limits
from projections.duckdb import slots

if TYPE_CHECKING:
    from engine.aggregates.aggregate import Aggregate
    from engine.aggregates.answering import Answering
    from engine.sessions.host import Host, HostSettings
    from engine.sessions.life import Session
    from engine.sessions.runner import Surroundings
    from engine.sessions.upkeep import Upkeep
    from engine.sources.source import Source
    from engine.strategies.registry import Registry
    from projections.market_store import Limits as MarketLimits
    from projections.market_store import MarketStore
    from projections.runner import RunnerSettings

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Connection:
    """One process's line to the tape, as one role."""

    link: Link
    tape: JetStreamTape
    keys: JetStreamKeys
    blobs: JetStreamBlobs
    counters: JetStreamKeys | None = None
    vault: JetStreamTape | None = None
    order_times: Durations = field(default_factory=order_durations)  # of all sessions of the process

    async def close(self) -> None:
        """Let go of everything."""
        await self.tape.close()
        if self.vault is not None:
            await self.vault.close()
        await self.link.close()


async def connect(settings: Settings, role: str, clock: Clock) -> Connection:
    """Connect as a role; `api` and `admin` also reach the vault and the counters.

    Raises:
        NotAvailable: there is no server, or `init` never ran.
        TapeMissing, TapeForeign, TapeUnavailable: see `JetStreamTape.open`.
    """
    epoch = epoch_of(Places(settings.folder))
    link = await Link.open(tape_endpoint(settings, role))
    try:
        limits = Limits(append_seconds_max=settings.tape.append_seconds_max)
        tape = await JetStreamTape.open(link, epoch=epoch, limits=limits, clock=clock)
        keys = await JetStreamKeys.open(link, LIVENESS, clock=clock)
        blobs = await JetStreamBlobs.open(link, BLOBS, clock=clock)
        connection = Connection(link, tape, keys, blobs)
        if role in ("api", "admin"):
            connection.counters = await JetStreamKeys.open(link, COUNTERS, clock=clock)
            connection.vault = await JetStreamTape.open(
                link, stream=streams.VAULT_STREAM, epoch=epoch, limits=limits, clock=clock
            )
        return connection
    except BaseException:
        await link.close()
        raise


def registry_of(settings: Settings) -> Registry:
    """The strategies of this installation. Raises InvalidInput."""
    from engine.strategies.registry import discover

    folder = settings.engine.strategies
    return discover(Path(folder).expanduser() if folder else None)


def sources_of(settings: Settings) -> dict[str, Source]:
    """The sources that the settings name, by id."""
    from engine.sources.source import Source

    return {one.id: msgspec.convert(msgspec.structs.asdict(one), Source) for one in settings.sources}


class CodeHashes:
    """Hash of the loop of a set of strategies, computed once."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known = cache(self._compute)

    def __call__(self, strategies: Sequence[str], intervals: bool = False) -> str:
        return self._known(tuple(sorted(set(strategies))), intervals)

    def _compute(self, strategies: tuple[str, ...], intervals: bool) -> str:
        from engine.loop.decision_loop import code_hash_for

        return code_hash_for(strategies, self._registry, intervals)


def surroundings(settings: Settings, connection: Connection, registry: Registry, clock: Clock) -> Surroundings:
    """What runners are given."""
    from engine.recordings.reading import RecordingReader
    from engine.recordings.segments import Segments
    from engine.sessions.decider import Decider
    from engine.sessions.runner import RunnerSettings, Surroundings
    from engine.sessions.watchdog import Watchdog

    segments = Segments(Places(settings.folder).segments, connection.tape.epoch)
    engine = settings.engine
    return Surroundings(
        tape=connection.tape,
        blobs=connection.blobs,
        clock=clock,
        reader=RecordingReader(connection.tape, segments),
        make_decider=lambda spec: Decider(spec, registry),
        settings=RunnerSettings(
            snapshot_rows=engine.snapshot_rows,
            snapshot_messages=engine.snapshot_messages,
            snapshot_seconds=engine.snapshot_seconds,
        ),
        watchdog=Watchdog(Places(settings.folder).overruns, connection.tape.epoch, engine.step_seconds_max, clock),
        order_times=connection.order_times,
    )


async def introduce(settings: Settings, connection: Connection, clock: Clock) -> None:
    """Give the instruments of the configured sources their numbers. Raises OperatingError."""
    from engine.sources.introducing import introduce as introduced

    await introduced(connection.tape, clock, sources_of(settings).values())


@contextmanager
def placed_host(settings: Settings, connection: Connection, clock: Clock, modes: tuple[str, ...]) -> Iterator[Host]:
    """An engine (paper, live, collect) or a worker (backtest), not started, and its place while the body runs.

    Its name is that of a place in the data folder which one process holds at a time: who was killed and is started
    again has its old name, and what it had claimed goes on at once.
    """
    place = slots.claim(Places(settings.folder).run / "-".join(modes))
    try:
        yield _host(settings, connection, clock, modes, host_name_at(place))
    finally:
        place.release()


def host_name_at(place: slots.Slot) -> str:
    """This machine, this folder, and the place in it."""
    folder = hashlib.blake2b(str(place.folder.resolve()).encode(), digest_size=4).hexdigest()
    return f"{host_name()[:32]}-{folder}-{place.number}"


def _host(settings: Settings, connection: Connection, clock: Clock, modes: tuple[str, ...], name: str) -> Host:
    from engine.recordings.segments import Segments
    from engine.research.sweeping import SweepRunner
    from engine.sessions.collector import Collector
    from engine.sessions.host import Host
    from engine.sessions.runner import Runner
    from engine.sources.holding import Sources
    from engine.sources.keeper import KeepingSettings

    registry = registry_of(settings)
    around = surroundings(settings, connection, registry, clock)
    segments = Segments(Places(settings.folder).segments, connection.tape.epoch)
    keeping = KeepingSettings(owner=name)
    sources = Sources(connection.tape, connection.keys, clock, sources_of(settings), segments, keeping)

    async def run(session: Session, claim: int) -> None:
        spec = session.spec
        if spec.grid:
            await SweepRunner(around, session, claim, registry).run()
        elif spec.input.recording is not None:
            await Runner(around, session, claim).run()
        else:
            async with sources.held(spec.input.source, spec.session if spec.mode == "collect" else ""):
                runner = Collector if spec.mode == "collect" else Runner
                await runner(around, session, claim).run()

    return Host(connection.tape, connection.keys, clock, name, run, host_settings(settings, modes))


def host_settings(settings: Settings, modes: tuple[str, ...]) -> HostSettings:
    """Limits of an engine or a worker."""
    from engine.sessions.host import HostSettings

    engine = settings.engine
    found = HostSettings(modes=modes, sessions_max=engine.sessions_max, rest_seconds=engine.rest_seconds)
    # one engine runs all that the desk lets start; backtests of a worker wait their turn
    return found if "backtest" in modes else msgspec.structs.replace(found, concurrent_max=engine.sessions_max)


def upkeep(connection: Connection, clock: Clock, host: Host) -> Upkeep:
    """What keeps the blob store small; part of every engine."""
    from engine.sessions.upkeep import Upkeep

    return Upkeep(connection.blobs, clock, lambda session: session in host.desk.ended, connection.blobs.tidy)


def process_name() -> str:
    """This process's name among all that run jobs."""
    return f"{host_name()}-{os.getpid()}"


def aggregates(registry: Registry) -> list[Aggregate]:
    """Every aggregate beside the desk, as of nothing."""
    from engine.aggregates.configuration import ConfigurationAggregate
    from engine.aggregates.house import House
    from engine.aggregates.instruments import Instruments
    from engine.aggregates.jobs import Jobs
    from engine.aggregates.strategies import Strategies
    from engine.jobs.kinds import KINDS

    return [
        Instruments(),
        House(),
        ConfigurationAggregate(),
        Strategies(registry),
        Jobs(KINDS),
    ]


def answering(settings: Settings, connection: Connection, clock: Clock) -> Answering:
    """What answers commands to the aggregates; part of every engine and worker."""
    from engine.aggregates.answering import Answering

    return Answering(connection.tape, clock, aggregates(registry_of(settings)), connection.blobs)


PROJECTOR_BATCH_BYTES_MAX = 4 << 20  # 87,000 ticks; the client holds a batch three times
PROJECTOR_QUEUE_BYTES_MAX = 8 << 20


def projector_limits(settings: Settings) -> RunnerSettings:
    """Limits of the process that writes QuestDB."""
    from projections.runner import RunnerSettings

    return RunnerSettings(
        batch_bytes_max=PROJECTOR_BATCH_BYTES_MAX,
        queue_bytes_max=PROJECTOR_QUEUE_BYTES_MAX,
        linger_seconds=settings.market.linger_seconds,
    )


def market_store(settings: Settings, *, wait: bool = False) -> MarketStore:
    """The store of time series in QuestDB, its tables made; with `wait`, also where QuestDB does not answer now.

    Raises:
        ReadModelUnavailable: it does not answer, or was never started.
    """
    from projections.questdb.access import access_of
    from projections.questdb.server import read_access
    from projections.questdb.store import QuestDbMarketStore

    access = access_of(settings.market.url) if settings.market.url else read_access(Places(settings.folder).questdb)
    if access is None:
        raise ReadModelUnavailable("No QuestDB was started on this data folder.", hint="Start it with `tapedeck up`.")
    store = QuestDbMarketStore(access, market_limits(settings))
    try:
        store.create()
    except ReadModelUnavailable as error:  # who only reads says so to whom asks; the projector makes the tables
        if not wait:
            raise
        log.warning("market_store_is_away", error=str(error))
    return store


def market_limits(settings: Settings) -> MarketLimits:
    """Limits of a store of time series."""
    from projections.market_store import Limits

    market = settings.market
    return Limits(query_pool_max=market.query_pool_max, query_seconds_max=market.query_seconds_max)


def duck_market_store(settings: Settings, path: Path) -> MarketStore:
    """The store of time series in a DuckDB file of this process, its tables made."""
    from projections.market_duckdb import DuckMarketStore

    store = DuckMarketStore(path, market_limits(settings))
    store.create()
    return store
