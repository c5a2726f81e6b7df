"""The API process: the house of its handlers on the real servers, and the HTTP server before it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import structlog
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from api import bootstrap
from api.app import create_app
from api.auth.encryption import master_key
from api.auth.tokens import secret_file
from api.house import Ground, House, build
from api.lasting import lasting
from api.places import Places
from api.processes.attending import Attending
from api.processes.configuration_file import ConfigurationFile
from api.processes.rebuilding import Rebuilding, market_content
from api.processes.signs import STATES, State, host_name, shown
from api.processes.telling import until_told
from api.reading.reader import is_ready
from api.servers import market_store_of
from api.services.verification import in_thread
from api.settings import Settings
from engine.configuration import environment
from engine.recordings.reading import RecordingReader
from engine.recordings.segments import Segments
from engine.sessions.decider import Decider
from events.clock import Clock, SystemClock
from events.tape import Tape
from projections.duckdb import slots
from projections.duckdb.publish import Publisher, open_read_model
from projections.market_projection import MarketProjection
from projections.projection import Projection

log = structlog.get_logger(__name__)


async def serve(settings: Settings, name: str = "") -> None:
    """Serve HTTP, SSE and WebSocket until told to stop."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        ground = await _ground(settings, clock, stack)
        house = build(ground)
        await house.start()
        stack.push_async_callback(house.close)
        await stack.enter_async_context(shown(ground.liveness, clock, "api", name, partial(_served, house)))
        for rebuilding in _rebuildings(house, ground, name or "api"):
            attending = Attending(ground.tape, f"{host_name()}-{name or 'api'}", rebuilding.carry)
            await attending.start()
            stack.push_async_callback(attending.close)
        watching = asyncio.create_task(lasting("configuration file", ConfigurationFile(house).run))
        stack.callback(watching.cancel)
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
        house.warm()
        try:
            await until_told(asyncio.shield(serving))
        finally:
            house.release()
            server.stop()  # type: ignore[no-untyped-call]
            with contextlib.suppress(asyncio.TimeoutError, asyncio.CancelledError):
                await asyncio.wait_for(serving, 3)


def _rebuildings(house: House, ground: Ground, name: str) -> list[Rebuilding]:
    """The read models that this process keeps."""

    async def content(sequence: int) -> str:
        return await asyncio.to_thread(ground.read_model.store.content_hash)

    found = [Rebuilding("read_model", name, house.runner, content)]
    found += [Rebuilding("market", name, runner, partial(market_content, ground.market)) for runner in house.beside]
    return found


async def _served(house: House) -> State:
    status = house.runner.status()
    return State(
        status="ok" if is_ready(house.runner) else STATES[status.state],
        sequence=status.visible,
        lag=status.lag,
        timings=tuple(runner.latency.took.timing() for runner in (house.runner, *house.beside)),
    )


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
    publisher = Publisher(read_model.store, connection.blobs, clock)
    publishing = asyncio.create_task(lasting("publishing", publisher.run))
    stack.callback(publishing.cancel)
    beside: list[Projection] = []
    if market_store_of(settings) == "duckdb":
        market = await asyncio.to_thread(bootstrap.duck_market_store, settings, slot.path.with_suffix(".market"))
        beside = [MarketProjection(market)]
    else:
        market = await asyncio.to_thread(bootstrap.market_store, settings, wait=True)
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
        master_key=master_key(places.master_key, os.environ),
        read_model=read_model,
        market=market,
        verify=in_thread(lambda: _own_tape(settings), lambda spec: Decider(spec, registry)),
        beside=beside,
        overrides=environment.overrides(os.environ),
    )


@asynccontextmanager
async def _own_tape(settings: Settings) -> AsyncIterator[tuple[Tape, RecordingReader]]:
    connection = await bootstrap.connect(settings, "api", SystemClock())
    try:
        segments = Segments(Places(settings.folder).segments, connection.tape.epoch)
        yield connection.tape, RecordingReader(connection.tape, segments)
    finally:
        await connection.close()
