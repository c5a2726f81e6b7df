"""What each process of a house does until it is told to stop.

A role imports what it runs, and no more: DuckDB, Litestar and polars in an engine would be 100 MB that nobody uses.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from api import bootstrap
from api.lasting import lasting
from api.places import Places
from api.processes.signs import STATES, State, host_name, shown, told_left_out
from api.processes.telling import until_told
from api.settings import Settings
from events.clock import SystemClock

if TYPE_CHECKING:
    from engine.jobs.runner import JobRunner
    from engine.sessions.host import Host
    from events.durations import Durations
    from projections.runner import ProjectionRunner

log = structlog.get_logger(__name__)


async def engine(settings: Settings, name: str = "") -> None:
    """Run paper and collect sessions."""
    await _host(settings, "engine", name, ("paper", "live", "collect"))


async def worker(settings: Settings, name: str = "") -> None:
    """Run backtests, forks and sweeps, and do jobs."""
    await _host(settings, "worker", name, ("backtest",))


async def _host(settings: Settings, role: str, name: str, modes: tuple[str, ...]) -> None:
    from engine.sessions import overruns

    clock = SystemClock()
    async with AsyncExitStack() as stack:
        compiler = asyncio.create_task(asyncio.to_thread(importlib.import_module, "engine.loop.inner"))
        stack.push_async_callback(_over, compiler)  # the first session does not wait for it
        connection = await bootstrap.connect(settings, role, clock)
        stack.push_async_callback(connection.close)
        await overruns.tell(connection.tape, Places(settings.folder).overruns)
        if role == "engine":
            await bootstrap.introduce(settings, connection, clock)
        host = stack.enter_context(bootstrap.placed_host(settings, connection, clock, modes))
        ending, told = [host.ended], partial(_sessions, host, connection.order_times)
        if role == "worker":
            from api.processes.jobs import job_runner

            runner = await stack.enter_async_context(job_runner(settings, connection, clock))
            host.admits = runner.admits
            ending.append(runner.ended)
            told = partial(_jobs, host, runner)
        await host.start(connection.blobs)
        stack.push_async_callback(host.close)
        if role == "engine":
            upkeep = asyncio.create_task(lasting("upkeep", bootstrap.upkeep(connection, clock, host).run))
            stack.callback(upkeep.cancel)
        answering = bootstrap.answering(settings, connection, clock)
        await answering.start()
        stack.push_async_callback(answering.close)
        await stack.enter_async_context(shown(connection.keys, clock, role, name, told))
        log.info("host_started", role=role, modes=modes)
        await until_told(_first(answering.ended(), *(ended() for ended in ending)))


async def _over(task: asyncio.Task[Any]) -> None:
    """Wait for a task that cannot be ended; what it raised is told by whoever needs its result."""
    await asyncio.wait({task})


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


async def _sessions(host: Host, orders: Durations) -> State:
    return State(detail=f"{host.sessions} sessions", sequence=host.folded, timings=(orders.timing(),))


async def _jobs(host: Host, runner: JobRunner) -> State:
    return State(
        detail=f"{host.sessions} sessions, {runner.jobs} jobs",
        sequence=host.folded,
        timings=(runner.waits.timing(), runner.runs.timing()),
    )


async def projector(settings: Settings, name: str = "") -> None:
    """Keep QuestDB at the tape."""
    from api.processes.attending import Attending
    from api.processes.rebuilding import VISIBLE_SECONDS_MAX, Rebuilding, market_content
    from projections.market_projection import MarketProjection
    from projections.runner import ProjectionRunner

    clock = SystemClock()
    async with AsyncExitStack() as stack:
        connection = await bootstrap.connect(settings, "projector", clock)
        stack.push_async_callback(connection.close)
        store = await asyncio.to_thread(bootstrap.market_store, settings)
        market = MarketProjection(store)
        limits, shown_up_to = (
            bootstrap.projector_limits(settings),
            partial(store.wait_visible, seconds=VISIBLE_SECONDS_MAX),
        )
        runner = ProjectionRunner(connection.tape, [market], limits, clock=clock, shown=shown_up_to)
        await runner.start()
        stack.push_async_callback(runner.close)
        me = name or "projector"
        rebuilding = Rebuilding("market", me, runner, partial(market_content, store))
        attending = Attending(connection.tape, f"{host_name()}-{me}", rebuilding.carry)
        await attending.start()
        stack.push_async_callback(attending.close)
        await stack.enter_async_context(shown(connection.keys, clock, "projector", name, partial(_projected, runner)))
        await until_told(runner.ended())


async def _projected(runner: ProjectionRunner) -> State:
    status = runner.status()
    return State(
        status=STATES[status.state],
        detail=status.error or told_left_out(status.left_out),
        sequence=status.visible,
        lag=status.lag,
        timings=(runner.latency.took.timing(),),
    )


async def api(settings: Settings, name: str = "") -> None:
    """Serve HTTP, SSE and WebSocket."""
    from api.processes.serving import serve

    await serve(settings, name)
