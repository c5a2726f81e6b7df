"""A whole house in one process on a tape in memory: API, read model, market store, and an engine where one is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import argon2
import httpx
import msgspec
from litestar import Litestar

from api.app import create_app
from api.auth import users
from api.bootstrap import aggregates
from api.house import Ground, House, build
from api.processes.machine import Machine
from api.services.verification import in_place
from api.settings import ApiSettings, LimitsSettings, Settings
from engine.aggregates.answering import Answering
from engine.jobs.kinds import KINDS
from engine.jobs.queue import Room
from engine.jobs.runner import JobRunner, JobSettings
from engine.jobs.sessions import JobSessions
from engine.jobs.work import Tools
from engine.loop.decision_loop import code_hash_for
from engine.recordings.reading import RecordingReader
from engine.research.sweeping import SweepRunner
from engine.sessions.collector import Collector
from engine.sessions.decider import Decider
from engine.sessions.host import Host, HostSettings
from engine.sessions.life import Session
from engine.sessions.plan import Library
from engine.sessions.runner import Runner, Surroundings
from engine.strategies.registry import Registry, discover
from events.clock import Clock, SystemClock
from events.facts import UserCreated
from events.memory_keys import MemoryBlobs, MemoryKeys
from events.memory_tape import MemoryTape
from projections.duckdb.read_model import DuckReadModel
from projections.duckdb.store import DuckSettings
from projections.market_duckdb import DuckMarketStore
from projections.market_projection import MarketProjection

PASSWORD = "correct horse battery"
TWO_CORES = Room(cores=2.0, memory_mb=4_096)
ROLES = ("viewer", "trader", "admin")
BASE = "http://127.0.0.1:8080"
SECRET = b"s" * 32
TEST_LIMITS = LimitsSettings(  # raised: a test is one client
    per_second=1_000_000,
    logins_per_minute=1_000,
    wrong_logins_per_hour_and_name=1_000,
    training_starts_per_minute=1_000_000,
    backtest_starts_per_minute=1_000_000,
    config_updates_per_minute=1_000_000,
    reads_per_minute=1_000_000,
    audits_per_minute=0,  # what is refused appends nothing: tests compare the tape's end
)


@cache
def password_hash() -> str:
    """One hash of the test password, cheap to check."""
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@cache
def registry() -> Registry:
    """The built-in strategies."""
    return discover()


@cache
def code_hash(strategies: tuple[str, ...], intervals: bool = False) -> str:
    """Hash of the loop of some strategies."""
    return code_hash_for(tuple(sorted(set(strategies))), registry(), intervals)


@dataclass(slots=True)
class World:
    """What a test has in hand."""

    tape: MemoryTape
    vault: MemoryTape
    clock: Clock
    house: House
    app: Litestar
    client: httpx.AsyncClient
    liveness: MemoryKeys
    blobs: MemoryBlobs
    counters: MemoryKeys

    def token(self, name: str = "trader", seconds: int = 3_600) -> str:
        """An access token of a user, who is called as the role is."""
        user = self.house.users.find(name)
        assert user is not None
        return self.house.tokens.give(user, "access", seconds)

    def bearer(self, name: str = "trader", *, csrf: bool = False) -> dict[str, str]:
        """Headers of a user."""
        token = self.token(name)
        headers = {"Authorization": f"Bearer {token}"}
        if csrf:
            identity = self.house.tokens.check(token, "access", self.house.users)
            headers["X-CSRF-Token"] = self.house.tokens.csrf(identity)
        return headers

    async def get(self, path: str, name: str = "", **headers: str) -> httpx.Response:
        """GET, as a user where one is named."""
        return await self.client.get(path, headers={**(self.bearer(name) if name else {}), **headers})

    async def post(self, path: str, body: Any = None, name: str = "trader", **headers: str) -> httpx.Response:
        """POST JSON as a user, with a CSRF token."""
        sent = {**self.bearer(name, csrf=True), "Content-Type": "application/json", **headers}
        return await self.client.post(path, content=msgspec.json.encode(body), headers=sent)

    async def caught_up(self) -> int:
        """Wait until reads show the whole tape; its last sequence."""
        last = (await self.tape.info()).last
        for runner in (self.house.runner, *self.house.beside):
            await runner.wait_until(last, 10)
        return last

    async def last(self) -> int:
        """Last sequence of the tape."""
        return (await self.tape.info()).last


async def peopled(clock: Clock) -> MemoryTape:
    """A vault with a user of each role."""
    vault = MemoryTape(clock=clock)
    for name in ROLES:
        await users.change(vault, UserCreated(name=name, role=name, password_hash=password_hash()))  # type: ignore[arg-type]
    return vault


@asynccontextmanager
async def world(
    folder: Path,
    *,
    tape: MemoryTape | None = None,
    vault: MemoryTape | None = None,
    engine: bool | Room = False,
    api: ApiSettings | None = None,
    limits: LimitsSettings = TEST_LIMITS,
    overrides: dict[str, Any] | None = None,
) -> AsyncIterator[World]:
    """A house that runs, beside others of one tape and vault; with `engine` sessions and jobs run, in so much room."""
    clock = SystemClock()
    settings = Settings(data=str(folder), api=api or ApiSettings(answer_seconds_max=10), limits=limits, sources=())
    tape = tape or MemoryTape(clock=clock, epoch="e1")
    vault, liveness, blobs, counters = vault or await peopled(clock), MemoryKeys(), MemoryBlobs(), MemoryKeys()
    async with AsyncExitStack() as stack:
        read_model = DuckReadModel(folder / "read-model.duckdb", DuckSettings(threads=1, memory_limit_mb=96))
        read_model.open()
        stack.callback(read_model.close)
        market = DuckMarketStore(folder / "market.duckdb")
        market.create()
        stack.push_async_callback(market.close)
        around = Surroundings(
            tape=tape,
            blobs=blobs,
            clock=clock,
            reader=RecordingReader(tape),
            make_decider=lambda spec: Decider(spec, registry()),
        )
        ground = Ground(
            settings=settings,
            clock=clock,
            tape=tape,
            vault=vault,
            counters=counters,
            liveness=liveness,
            registry=registry(),
            code_hash=code_hash,
            token_secret=SECRET,
            master_key=SECRET,
            read_model=read_model,
            market=market,
            verify=in_place(tape, around.reader, around.make_decider),
            beside=[MarketProjection(market)],
            overrides=overrides or {},
        )
        house = build(ground)
        await house.start()
        stack.push_async_callback(house.close)
        if engine:
            room = engine if isinstance(engine, Room) else TWO_CORES
            await stack.enter_async_context(working(around, liveness, house, room))
        app = create_app(house)
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))  # type: ignore[arg-type]
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url=BASE))
        made = World(tape, vault, clock, house, app, client, liveness, blobs, counters)
        await made.caught_up()
        yield made


@asynccontextmanager
async def working(around: Surroundings, liveness: MemoryKeys, house: House, room: Room) -> AsyncIterator[None]:
    """An engine and worker with its job runner, and what answers commands to aggregates."""
    host, runner = engine_of(around, liveness), job_runner_of(around, liveness, house, room)
    host.admits = runner.admits
    answering = Answering(around.tape, around.clock, aggregates(registry()))
    async with AsyncExitStack() as stack:
        for each in (runner, host, answering):
            await each.start()
            stack.push_async_callback(each.close)
        yield


def engine_of(around: Surroundings, liveness: MemoryKeys) -> Host:
    """An engine and worker in this event loop."""

    async def run(session: Session, claim: int) -> None:
        if session.spec.grid:
            await SweepRunner(around, session, claim, registry()).run()
        else:
            await (Collector if session.spec.mode == "collect" else Runner)(around, session, claim).run()

    settings = HostSettings(modes=("paper", "backtest", "collect"), look_seconds=0.05, rest_seconds=0.05)
    return Host(around.tape, liveness, around.clock, "engine-1", run, settings)


def job_runner_of(around: Surroundings, liveness: MemoryKeys, house: House, room: Room) -> JobRunner:
    """A job runner in this event loop."""

    async def library() -> Library:
        await house.lookups.current(around.tape)
        return house.lookups.library()

    sessions = JobSessions(around.tape, around.clock, retry_seconds=0.05)
    tools = Tools(around=around, strategies=registry(), library=library, sessions=sessions)
    settings = JobSettings(
        worker="worker-1",
        machine="machine-1",
        room=room,
        look_seconds=0.05,
        rest_seconds=0.05,
        progress_seconds=0.05,
    )
    return JobRunner(tools, KINDS, liveness, settings, Machine(settings, around.clock, Path("/")).describe)


async def until_state(made: World, session: str, *states: str, seconds: float = 30.0) -> dict[str, Any]:
    """Wait until a session is in one of these states; its body."""
    async with asyncio.timeout(seconds):
        while True:
            answer = await made.get(f"/api/sessions/{session}")
            if answer.status_code == 200 and (body := answer.json())["session"]["state"] in states:
                found: dict[str, Any] = body["session"]
                return found
            await asyncio.sleep(0.02)
