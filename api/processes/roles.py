"""What each process of a house does until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import structlog
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from api import bootstrap
from api.app import create_app
from api.auth.tokens import secret_file
from api.house import Ground, House, build
from api.places import Places
from api.processes.signs import State, shown
from api.processes.telling import until_told
from api.reading.reader import is_ready
from api.servers import market_store_of
from api.services.verification import in_thread
from api.settings import Settings
from engine.recordings.reading import RecordingReader
from engine.recordings.segments import Segments
from engine.sessions.decider import Decider
from engine.sessions.host import Host
from events.clock import Clock, SystemClock
from events.tape import Tape
from projections.duckdb import slots
from projections.duckdb.publish import Publisher, open_read_model
from projections.market_projection import MarketProjection
from projections.projection import Projection
from projections.runner import ProjectionRunner

log = structlog.get_logger(__name__)


async def engine(settings: Settings, name: str = "") -> None:
    """Run paper and collect sessions."""
    await _host(settings, "engine", name, ("paper", "live", "collect"))


async def worker(settings: Settings, name: str = "") -> None:
    """Run backtests, forks and sweeps."""
    await _host(settings, "worker", name, ("backtest",))


async def _host(settings: Settings, role: str, name: str, modes: tuple[str, ...]) -> None:
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        connection = await bootstrap.connect(settings, role, clock)
        stack.push_async_callback(connection.close)
        host = bootstrap.host(settings, connection, clock, modes)
        await host.start()
        stack.push_async_callback(host.close)
        answering = bootstrap.answering(settings, connection, clock)
        await answering.start()
        stack.push_async_callback(answering.close)
        await stack.enter_async_context(shown(connection.keys, clock, role, name, partial(_sessions, host)))
        log.info("host_started", role=role, modes=modes)
        await until_told(_first(host.ended(), answering.ended()))


async def _first(*waits: Coroutine[Any, Any, None]) -> None:
    """Until one of these ends; raises what ended it."""
    tasks = [asyncio.create_task(each) for each in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


async def _sessions(host: Host) -> State:
    return State(detail=f"{host.sessions} sessions", sequence=host.folded)


async def projector(settings: Settings, name: str = "") -> None:
    """Keep QuestDB at the tape."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        connection = await bootstrap.connect(settings, "projector", clock)
        stack.push_async_callback(connection.close)
        store = await asyncio.to_thread(bootstrap.market_store, settings)
        market = MarketProjection(store)
        runner = ProjectionRunner(connection.tape, [market], clock=clock)
        await runner.start()
        stack.push_async_callback(runner.close)
        await stack.enter_async_context(
            shown(connection.keys, clock, "projector", name, partial(_projected, runner, market))
        )
        await until_told(runner.ended())


async def _projected(runner: ProjectionRunner, market: MarketProjection) -> State:
    status = runner.status()
    left_out = f"{market.left_out} rows of impossible event times left out" if market.left_out else ""
    detail = "; ".join(part for part in (status.error, left_out) if part)
    return State(
        status="ok" if status.state == "ready" else status.state, detail=detail, sequence=status.visible, lag=status.lag
    )


async def api(settings: Settings, name: str = "") -> None:
    """Serve HTTP, SSE and WebSocket."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        ground = await _ground(settings, clock, stack)
        house = build(ground)
        await house.start()
        stack.push_async_callback(house.close)
        await stack.enter_async_context(shown(ground.liveness, clock, "api", name, partial(_served, house)))
        server = Server(
            create_app(house),
            address=settings.api.host,
            port=settings.api.port,
            interface=Interfaces.ASGI,
            log_enabled=False,
            http1_settings=HTTP1Settings(header_read_timeout=10_000),
        )
        log.info("api_started", host=settings.api.host, port=settings.api.port)
        serving = asyncio.create_task(server.serve())
        try:
            await until_told(asyncio.shield(serving))
        finally:
            house.release()
            server.stop()  # type: ignore[no-untyped-call]
            with contextlib.suppress(asyncio.TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(serving, 3)


async def _served(house: House) -> State:
    status = house.runner.status()
    return State(status="ok" if is_ready(house.runner) else status.state, sequence=status.visible, lag=status.lag)


async def _ground(settings: Settings, clock: Clock, stack: AsyncExitStack) -> Ground:
    places = Places(settings.folder)
    connection = await bootstrap.connect(settings, "api", clock)
    stack.push_async_callback(connection.close)
    assert connection.vault is not None, "the api role reaches the vault"
    assert connection.counters is not None, "the api role reaches the counters"
    slot = slots.claim(places.duckdb)
    stack.callback(slot.release)
    read_model = await open_read_model(slot.path, connection.tape, connection.blobs)
    stack.callback(read_model.close)
    publishing = asyncio.create_task(Publisher(read_model.store, connection.blobs, clock).run())
    stack.callback(publishing.cancel)
    beside: list[Projection] = []
    if market_store_of(settings) == "duckdb":
        market = await asyncio.to_thread(bootstrap.duck_market_store, slot.path.with_suffix(".market"))
        beside = [MarketProjection(market)]
    else:
        market = await asyncio.to_thread(bootstrap.market_store, settings)
    registry = bootstrap.registry_of(settings)
    return Ground(
        settings=settings,
        clock=clock,
        tape=connection.tape,
        vault=connection.vault,
        counters=connection.counters,
        liveness=connection.keys,
        registry=registry,
        code_hash=bootstrap.CodeHashes(registry),
        token_secret=secret_file(places.token_secret),
        read_model=read_model,
        market=market,
        verify=in_thread(lambda: _own_tape(settings), lambda spec: Decider(spec, registry)),
        beside=beside,
    )


@asynccontextmanager
async def _own_tape(settings: Settings) -> AsyncIterator[tuple[Tape, RecordingReader]]:
    connection = await bootstrap.connect(settings, "api", SystemClock())
    try:
        segments = Segments(Places(settings.folder).segments, connection.tape.epoch)
        yield connection.tape, RecordingReader(connection.tape, segments)
    finally:
        await connection.close()
