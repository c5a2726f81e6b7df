"""How a verb's coroutine runs: it can be stopped by a signal, and everything it started is stopped with it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from api.endpoints import tape_endpoint
from api.places import HouseFile, Places, epoch_of, running_house
from api.servers import Servers
from api.settings import Settings
from events.clock import Clock, SystemClock
from events.jetstream import streams
from events.jetstream.link import Link
from events.jetstream.tape import JetStreamTape
from events.tape import Limits

T = TypeVar("T")

TERMINATED = 128 + signal.SIGTERM


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a verb's coroutine. SIGINT and SIGTERM cancel it; what it returns all the same is given.

    Raises:
        KeyboardInterrupt: it was cancelled by SIGINT.
        SystemExit: it was cancelled by SIGTERM; 143.
    """
    told: list[int] = []

    async def guarded() -> T:
        task = asyncio.ensure_future(work)

        def tell(number: int) -> None:
            told.append(number)
            task.cancel()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, tell, number)
        return await task

    try:
        _log_little()
        return asyncio.run(guarded())
    except asyncio.CancelledError:
        if told and told[0] == signal.SIGTERM:
            raise SystemExit(TERMINATED) from None
        raise KeyboardInterrupt from None
    finally:
        work.close()  # Ctrl-C may come before it began


def _log_little() -> None:
    """Warnings only, unless `--verbose`: a verb says itself what it does."""
    from api.logs import configure_verb

    context = click.get_current_context(silent=True)
    verbose = bool(context and context.find_root().params.get("verbose"))
    settings = context.obj if context else None
    configure_verb(settings.log_level if verbose and isinstance(settings, Settings) else "warning")


@asynccontextmanager
async def tape_server(
    settings: Settings, *, guarded: bool = True, market: bool = False
) -> AsyncIterator[HouseFile | None]:
    """The tape's server runs inside: that of the house, which is given, or of the settings, else a child of ours.

    A server that we start is compared with its seal first, and sealed from then on, unless not `guarded`; with
    `market` the market store's server runs too.

    Raises:
        NotAvailable: `init` never ran here.
        Conflict: another verb uses the folder now.
        ProcessFailed: the server does not start.
        TapeRefused: the tape is not as it was sealed.
    """
    places = Places(settings.folder)
    epoch_of(places)
    house = running_house(places)
    if house is not None or settings.tape.url:
        yield house
        return
    servers = Servers(settings, SystemClock())
    try:
        await servers.start(market=market)
        if market:
            await servers.market_started()
        if guarded:
            await servers.guard()
        yield None
    finally:
        await servers.stop()


@dataclass(frozen=True, slots=True)
class Reached:
    """A line to the tape and the vault, without what sessions need."""

    settings: Settings
    places: Places
    clock: Clock
    link: Link
    tape: JetStreamTape
    vault: JetStreamTape
    house: HouseFile | None


@asynccontextmanager
async def reached(settings: Settings, *, guarded: bool = True) -> AsyncIterator[Reached]:
    """Reach the tape and the vault as admin. Raises as `tape_server`, and TapeUnavailable."""
    clock, places = SystemClock(), Places(settings.folder)
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(tape_server(settings, guarded=guarded))
        link = await Link.open(tape_endpoint(settings, "admin"))
        stack.push_async_callback(link.close)
        epoch = epoch_of(places)
        limits = Limits(append_seconds_max=settings.tape.append_seconds_max)
        tape = await JetStreamTape.open(link, epoch=epoch, limits=limits, clock=clock)
        stack.push_async_callback(tape.close)
        vault = await JetStreamTape.open(link, stream=streams.VAULT_STREAM, epoch=epoch, limits=limits, clock=clock)
        stack.push_async_callback(vault.close)
        yield Reached(settings, places, clock, link, tape, vault, house)
