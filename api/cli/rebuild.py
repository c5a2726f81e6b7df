"""`tapedeck rebuild`: the read models made anew from the tape."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast

import click

from api.cli.telling import json_option, note, progress, say, say_json
from api.settings import Settings

if TYPE_CHECKING:
    from api.bootstrap import Connection
    from events.clock import Clock
    from projections.duckdb.slots import Slot
    from projections.market_store import MarketStore
    from projections.runner import ProjectionRunner

VISIBLE_SECONDS_MAX = 60.0  # until what is written can be read


class Rebuilt(NamedTuple):
    """What a rebuild came to."""

    sequence: int
    read_model_hash: str
    market_store: str
    market_hash: str


@click.command("rebuild", epilog="Example: `tapedeck rebuild --json`")
@json_option
@click.pass_obj
def rebuild(settings: Settings, as_json: bool) -> None:
    """Throw the read models away and build them from the tape.

    Where a house runs, its processes rebuild what they keep, and answer with 503 until they have. The hashes printed
    are the same whenever the same tape is rebuilt.
    """
    from api.cli.running import run

    done = run(_rebuild(settings))
    if as_json:
        say_json(done._asdict())
        return
    say(f"rebuilt up to sequence {done.sequence}")
    say(f"read model    {done.read_model_hash}")
    say(f"market store  {done.market_hash}  ({done.market_store})")


async def _rebuild(settings: Settings) -> Rebuilt:
    from api import bootstrap
    from api.cli.rebuild_running import keepers, rebuilt_running
    from api.cli.running import tape_server
    from api.processes.signs import all_signs
    from api.servers import market_store_of
    from events.clock import SystemClock

    clock, store = SystemClock(), market_store_of(settings)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(tape_server(settings, market=True))
        connection = await bootstrap.connect(settings, "admin", clock)
        stack.push_async_callback(connection.close)
        if not keepers(await all_signs(connection.keys), store):
            return await _alone(settings, connection, clock)
        said = await rebuilt_running(connection, clock, store, settings.api.answer_seconds_max)
        hashes = [said[model].content_hash if model in said else "" for model in ("read_model", "market")]
        return Rebuilt(min(fact.sequence for fact in said.values()), hashes[0], store, hashes[1])


async def _alone(settings: Settings, connection: Connection, clock: Clock) -> Rebuilt:
    """Where no process keeps a read model."""
    from api.servers import market_store_of
    from projections.duckdb.publish import Publisher, open_read_model
    from projections.market_projection import MarketProjection
    from projections.projection import Projection
    from projections.runner import ProjectionRunner

    async with AsyncExitStack() as stack:
        slot = _only_slot(settings)
        stack.callback(slot.release)
        model = await open_read_model(slot.path, connection.tape)
        stack.callback(model.close)
        market = await stack.enter_async_context(_market(settings, slot))
        runners = [
            ProjectionRunner(connection.tape, [projection], clock=clock)
            for projection in (cast(Projection, model), MarketProjection(market))
        ]
        for runner in runners:
            stack.push_async_callback(runner.close)
        await _both(runners)
        sequence = min(runner.status().visible for runner in runners)
        await market.wait_visible(sequence, seconds=VISIBLE_SECONDS_MAX)
        await Publisher(model.store, connection.blobs, clock).publish()
        hashes = await asyncio.to_thread(model.store.content_hash), await market.content_hash()
        return Rebuilt(sequence, hashes[0], market_store_of(settings), hashes[1])


async def _both(runners: list[ProjectionRunner]) -> None:
    """Each on a tail of its own, so that each says for itself how far it is."""
    reached = [0] * len(runners)
    with progress("rebuild", "events") as bar:

        def told(at: int, done: int, total: int) -> None:
            reached[at] = done
            bar(min(reached), total)

        await asyncio.gather(*(runner.rebuild(partial(told, at)) for at, runner in enumerate(runners)))


def _only_slot(settings: Settings) -> Slot:
    """The first slot of the read-model files; the files of all others are thrown away: they are made when needed."""
    from api.places import Places
    from events.errors import Conflict
    from projections.duckdb import slots

    folder = Places(settings.folder).duckdb
    slot = slots.claim(folder)
    if slot.number != 0:
        slot.release()
        raise Conflict(f"An API process uses the read-model files in {folder}.", hint="Stop it, then rebuild.")
    for path in folder.glob("slot-*"):
        if path.suffix != ".lock" and not path.name.startswith("slot-0."):
            path.unlink(missing_ok=True)
            note(f"thrown away: {path.name}")
    return slot


@asynccontextmanager
async def _market(settings: Settings, slot: Slot) -> AsyncIterator[MarketStore]:
    from api import bootstrap
    from api.servers import market_store_of

    if market_store_of(settings) == "duckdb":
        store = await asyncio.to_thread(bootstrap.duck_market_store, settings, slot.path.with_suffix(".market"))
    else:
        store = await asyncio.to_thread(bootstrap.market_store, settings)
    try:
        yield store
    finally:
        await store.close()
