"""The house of one API process: everything its handlers are given, started and stopped with the server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol, cast

from api.auth.encryption import Sealed
from api.auth.key_rights import Venues
from api.auth.keys import ApiKeys
from api.auth.tokens import Tokens
from api.auth.users import Users
from api.limits import Counters, Limits, limits_of
from api.places import Places
from api.reading.hot import HotAnswers
from api.reading.reader import Reader, is_ready
from api.request_counts import Requests
from api.services.auditing import Auditing
from api.services.commands import Commands
from api.services.config_file import ConfigFile
from api.services.library import Lookups
from api.services.logs import LogFolder
from api.services.machines import Machines
from api.services.prices import Prices
from api.services.verification import Verifications, Verify, note_by
from api.settings import Settings
from api.streams.broadcast import Broadcast
from api.streams.hub import Hub, HubSettings
from api.streams.jobs import JobFeed
from api.streams.logs import LogFeed
from engine.configuration.changes import Values
from engine.sessions.plan import CodeHash
from engine.strategies.registry import Registry
from events.clock import Clock
from events.tape import Keys, Tail, Tape
from projections.duckdb.read_model import DuckReadModel
from projections.explorer.explorer import Explorer
from projections.market_store import MarketStore
from projections.projection import Projection
from projections.runner import ProjectionRunner


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a house stands on. `api.bootstrap` lays it on the real servers, tests in memory.

    `read_model` is open; `beside` are projections that this process keeps as well (the market store in DuckDB);
    `verify` decides a session again; `overrides` are values of the configuration that the environment sets; `venues`
    are asked what a key may do, by provider: there is none yet.
    """

    settings: Settings
    clock: Clock
    tape: Tape
    vault: Tape
    counters: Keys
    liveness: Keys
    registry: Registry
    code_hash: CodeHash
    token_secret: bytes
    master_key: bytes
    read_model: DuckReadModel
    market: MarketStore
    verify: Verify
    beside: Sequence[Projection] = ()
    overrides: Values = field(default_factory=dict)
    venues: Venues = field(default_factory=dict)


class Follower(Protocol):
    """What follows the tape."""

    async def start(self) -> None:
        """Begin."""
        ...

    async def close(self) -> None:
        """End."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Built by `build`. Handlers only word: what they need is here."""

    settings: Settings
    clock: Clock
    tape: Tape
    vault: Tape
    counters: Counters
    limits: Limits
    auditing: Auditing
    liveness: Keys
    users: Users
    keys: ApiKeys
    tokens: Tokens
    hub: Hub
    broadcast: Broadcast
    jobs: JobFeed
    logs: LogFeed
    log_folder: LogFolder
    machines: Machines
    commands: Commands
    lookups: Lookups
    runner: ProjectionRunner  # of the read model
    beside: tuple[ProjectionRunner, ...]  # each of another projection: what halts one leaves the others
    reader: Reader
    prices: Prices
    market: MarketStore
    verifications: Verifications
    hot: HotAnswers
    overrides: Values  # of the configuration, by the environment
    explorer: Explorer
    requests: Requests = field(default_factory=Requests)
    config_file: ConfigFile = field(default_factory=ConfigFile)
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Fold what is there and follow the tape. Whatever fails, nothing is left running.

        Raises:
            TapeUnavailable, TapeForeign, TapeShorter: see `ProjectionRunner.start`.
        """
        try:
            await self.users.follow(self.vault)
            self._open.push_async_callback(self.users.close)
            await self.lookups.start(self.tape)
            self._open.push_async_callback(self.lookups.close)
            streams: list[Follower] = [self.hub, self.broadcast, self.jobs, self.logs]
            following: list[Follower] = [self.keys, self.auditing, *streams, self.commands, self.runner, *self.beside]
            for each in following:
                await each.start()
                self._open.push_async_callback(each.close)
        except BaseException:
            await self._open.aclose()
            raise

    def warm(self) -> None:
        """Begin what no request should wait for, once the server listens."""
        warming = asyncio.create_task(asyncio.to_thread(self.lookups.warm))
        self._open.push_async_callback(_over, warming)

    def release(self) -> None:
        """End the streams and sockets of clients: a server that stops waits for them otherwise."""
        self.hub.release()
        self.broadcast.release()
        self.jobs.release()
        self.logs.release()

    async def close(self) -> None:
        """Stop following. The tape and the stores belong to whoever laid the ground."""
        await self.verifications.close()
        await self.explorer.close()
        await self._open.aclose()
        self.reader.close()

    def tails(self) -> dict[str, Tail | None]:
        """What follows the tape in this process, by name: for health."""
        return {
            "users": self.users.tail,
            "keys": self.keys.tail,
            "library": self.lookups.tail,
            "events": self.hub.tail,
            "broadcast": self.broadcast.tail,
            "jobs": self.jobs.tail,
            "answers": self.commands.tail,
        }


async def _over(task: asyncio.Task[None]) -> None:
    """Wait for a task that cannot be ended; what it raised is told where its result is needed."""
    await asyncio.wait({task})


def build(ground: Ground) -> House:
    """The house on its ground; `start` it before it is asked anything."""
    settings, api = ground.settings, ground.settings.api
    runner = ProjectionRunner(ground.tape, [cast(Projection, ground.read_model)], clock=ground.clock)
    store = ground.read_model.store
    hot = HotAnswers(store, lambda: is_ready(runner))
    hub = HubSettings(
        clients_max=api.stream_clients_max, queue_max=api.stream_queue_max, heartbeat_seconds=api.heartbeat_seconds
    )
    reader = Reader(store, runner, ground.tape, ground.market, hot)
    logs = Places(settings.folder).logs
    commands = Commands(ground.tape, api.answer_seconds_max, ground.clock)
    return House(
        settings=settings,
        clock=ground.clock,
        tape=ground.tape,
        vault=ground.vault,
        counters=Counters(ground.counters, ground.clock),
        limits=limits_of(settings.limits),
        auditing=Auditing(ground.tape, ground.clock, settings.limits.audits_per_minute),
        liveness=ground.liveness,
        users=Users(),
        keys=ApiKeys(
            ground.vault, Sealed(ground.master_key, Places(settings.folder).data_keys), ground.clock, ground.venues
        ),
        tokens=Tokens(ground.token_secret, ground.clock),
        hub=Hub(ground.tape, hub),
        broadcast=Broadcast(
            ground.tape, ground.registry.typical_strengths, api.stream_clients_max, api.stream_queue_max
        ),
        jobs=JobFeed(ground.tape, reader, api.stream_clients_max, api.stream_queue_max),
        logs=LogFeed(logs, ground.clock, api.stream_clients_max, api.stream_queue_max),
        log_folder=LogFolder(logs),
        machines=Machines(ground.liveness, settings, ground.clock),
        commands=commands,
        lookups=Lookups(settings, ground.registry, ground.code_hash),
        runner=runner,
        beside=tuple(ProjectionRunner(ground.tape, [one], clock=ground.clock) for one in ground.beside),
        reader=reader,
        prices=Prices(reader, ground.market, ground.clock, api.symbols_cache_seconds),
        market=ground.market,
        verifications=Verifications(ground.verify, note_by(commands, ground.clock), ground.clock),
        hot=hot,
        overrides=ground.overrides,
        explorer=Explorer(store, ground.clock),
    )
