"""`tapedeck demo`: the main job on a simulated market, from recording to report, then the house goes on serving."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from api.cli.demo_story import Replayed, Story, Told
from api.cli.demo_table import show
from api.cli.opened import Opened, opened, run
from api.cli.up import Running, check_port, house, initialised
from api.places import Places, read_mark
from api.processes.allocator import lean
from api.room import DEMO_MIB, require_room
from api.servers import store_line
from api.settings import Settings, SourceSettings
from engine.feeds.simulated import six_hours
from engine.research.outcome import report_data
from engine.research.report import render_report
from events.errors import Conflict

SOURCE = "demo"
PACED_SECONDS = 10.0
NOT_WELL = 9  # exit code: something was not verified, differs, or was not traded


def demo_settings(settings: Settings, seed: int) -> Settings:
    """The demo's own data folder below the usual one, and its source: six hours, ten seconds of them paced as live."""
    source = SourceSettings(
        id=SOURCE,
        kind="simulated",
        market="six_hours",
        symbols=tuple(one.symbol for one in six_hours(seed).instruments),
        seed=seed,
        acceleration=1.0,
        paced_seconds=PACED_SECONDS,
    )
    return msgspec.structs.replace(
        settings,
        data=str(settings.folder / "demo"),
        sources=(source, *(one for one in settings.sources if one.id != SOURCE)),
        engine=msgspec.structs.replace(settings.engine, workers=1),
    )


@click.command("demo", epilog="Example: `tapedeck demo --exit --seed 11`")
@click.option("--exit", "leave", is_flag=True, help="End after the report instead of serving on.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=7, show_default=True, help="Of the simulated market.")
@click.pass_obj
def demo(settings: Settings, leave: bool, seed: int) -> None:
    """Record, trade, replay, verify, fork and report a simulated market; then serve until Ctrl-C."""
    lean()
    if not run(_demo(demo_settings(settings, seed), leave, seed)):
        click.get_current_context().exit(NOT_WELL)


async def _demo(settings: Settings, leave: bool, seed: int) -> bool:
    console = Console(highlight=False, soft_wrap=True)
    require_room(settings.folder, DEMO_MIB, "the demo")
    if read_mark(Places(settings.folder)) is None:
        console.print("A new tape for the demo ...")
        await initialised(settings)
    settings = await _with_free_port(settings, console)
    console.print("Starting the servers, the engine and a worker ...")
    async with house(settings, waits=False) as running:
        if line := store_line(settings, running.market_store):
            console.print(line)
        keeping = asyncio.ensure_future(running.keep())
        try:
            told, report = await _first_of(_told(settings, seed, console, running), keeping)
            good = show(console, told, report, running.url, Places(settings.folder), serving=not leave)
            if not leave:
                console.print("Serving until Ctrl-C.")
                with contextlib.suppress(asyncio.CancelledError):  # Ctrl-C is how it ends
                    await keeping
            return good
        finally:
            keeping.cancel()


async def _told(settings: Settings, seed: int, console: Console, running: Running) -> tuple[Told, Path]:
    async with opened(settings) as tools:
        story = Story(tools, SOURCE, seed, console.print)
        await story.begin()
        running.begin_reads()  # what only reads comes up while the session trades
        replayed = await story.replay()
        report = await _reported(settings, tools, replayed)
        ready = asyncio.create_task(running.ready())
        try:
            told = await story.end(replayed)
            await ready
        finally:
            ready.cancel()
        return told, report


async def _reported(settings: Settings, tools: Opened, replayed: Replayed) -> Path:
    data = await report_data(replayed.backtest, tools.reader, replayed.verdict)
    path = Places(settings.folder).reports / f"{replayed.backtest.started.spec.session}.html"
    path.write_text(render_report(data), encoding="utf-8")
    return path


async def _first_of(work: Coroutine[Any, Any, tuple[Told, Path]], keeping: asyncio.Future[None]) -> tuple[Told, Path]:
    telling: asyncio.Future[tuple[Told, Path]] = asyncio.ensure_future(work)
    both: set[asyncio.Future[Any]] = {telling, keeping}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if not telling.done():
        telling.cancel()
        keeping.result()  # raises what could not be kept up
    return await telling


async def _with_free_port(settings: Settings, console: Console) -> Settings:
    try:
        check_port(settings.api.host, settings.api.port)
    except Conflict as error:
        console.print(f"{error.message} Taking a free port instead.")
        return msgspec.structs.replace(settings, api=msgspec.structs.replace(settings.api, port=0))
    return settings
