"""Sessions, backtests and orders of a whole house while its processes are killed, and the comparison at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from api import bootstrap
from api.bootstrap import Connection
from api.cli.running import reached
from api.cli.up import Running
from api.places import Places
from api.settings import Settings
from engine.recordings.reading import RecordingReader
from engine.research.verify import verify
from engine.sessions.decider import Decider
from engine.strategies.registry import Registry
from events import codec
from events.clock import SystemClock
from events.facts import Command, CommandAccepted, CommandRefused
from events.tape import Tape
from projections.duckdb.read_model import DuckReadModel
from projections.market_duckdb import DuckMarketStore
from projections.market_projection import MarketProjection
from projections.projection import Projection
from projections.questdb.java import cached_jar
from projections.runner import ProjectionRunner
from tests.api.recordings import simulated_recording
from tests.faults.houses import SYMBOLS, Client, client_of, real_house, settings_of
from tests.simulation import checkers

STRATEGIES = [
    {"strategy": "ema_cross", "params": {"fast": 20, "slow": 80}},
    {"strategy": "mean_reversion"},
]
LIMITS = {"cash": 10_000.0, "global_cap": 10_000.0, "stop_loss_ratio": 0.02, "fill_ratio_max": 0.5}
ACCELERATION = 1_200.0  # the recorded hour in three seconds
RUN_SECONDS_MAX = 600.0
OVER = ("completed", "stopped", "failed")

Killing = Callable[[Running, Connection], Awaitable[None]]


@dataclass
class Load:
    """What goes on while processes are killed."""

    client: Client
    recording: str
    stopping: bool = False
    hashes: dict[str, Counter[str]] = field(default_factory=lambda: {"paper": Counter(), "backtest": Counter()})
    orders: int = 0

    async def replay(self, mode: str, number: int) -> str:
        """One session over the recording, to its end; its decision hash."""
        body = {
            "mode": mode,
            "recording": self.recording,
            "strategies": STRATEGIES,
            "limits": LIMITS,
            "acceleration": ACCELERATION,
        }
        name, _ = await self.client.start(body, f"{mode}-{number}")
        found = await self.ended(name)
        assert found["state"] == "completed", found
        hashed: str = found["decision_hash"]
        self.hashes[mode][hashed] += 1
        return hashed

    async def replays(self, mode: str) -> None:
        """One after the other, until told to stop."""
        number = 0
        while not self.stopping:
            number += 1
            await self.replay(mode, number)

    async def trade(self, session: str, seen: str) -> None:
        """Orders by hand to the session on the live source."""
        chance = np.random.Generator(np.random.Philox(key=3))
        while not self.stopping:
            self.orders += 1
            order = {
                "symbol": SYMBOLS[int(chance.integers(2))],
                "side": "buy" if chance.random() < 0.5 else "sell",
                "quantity": round(float(chance.random()) / 1_000, 6) + 1e-6,
            }
            await self.client.post(f"/api/sessions/{session}/orders", order, f"order-{self.orders}", seen)
            await asyncio.sleep(float(chance.random()) * 0.3)

    async def ended(self, session: str) -> dict[str, Any]:
        """A session when it is over."""
        async with asyncio.timeout(RUN_SECONDS_MAX):
            while True:
                found: dict[str, Any] = (await self.client.get(f"/api/sessions/{session}"))["session"]
                if found["state"] in OVER:
                    return found
                await asyncio.sleep(0.2)


async def acknowledged_stand_once(tape: Tape, keys: list[str]) -> None:
    """A command that was answered over HTTP is on the tape and was carried out once, however often it was sent."""
    sent, changed = Counter[str](), Counter[str]()
    async for message in tape.read(1):
        if codec.is_frame(message.body):
            continue
        body = codec.decode(message.body, message.sequence)
        if isinstance(body, Command):
            sent[body.key] += 1
        elif isinstance(body, CommandAccepted):
            changed[body.key] += body.changed
        elif isinstance(body, CommandRefused):
            changed[body.key] += 0
    assert [key for key in keys if not sent[key]] == []
    assert [key for key in keys if changed[key] != 1] == []


async def rebuilt(tape: Tape, projection: Projection) -> None:
    """Bring a projection to the end of the tape."""
    runner = ProjectionRunner(tape, [projection])
    await runner.start()
    try:
        await runner.wait_until((await tape.info()).last, 120.0)
    finally:
        await runner.close()


async def the_market_store_is_that_of_the_tape(settings: Settings, tape: Tape, folder: Path) -> None:
    """What the killed projector wrote into the killed QuestDB equals a store that is built anew."""
    store = bootstrap.market_store(settings)
    fresh = DuckMarketStore(folder / "market.duckdb")
    fresh.create()
    try:
        await rebuilt(tape, MarketProjection(fresh))
        await rebuilt(tape, MarketProjection(store))
        assert await store.content_hash() == await fresh.content_hash()
    finally:
        await fresh.close()
        await store.close()


async def the_read_model_is_that_of_the_tape(settings: Settings, tape: Tape, folder: Path) -> None:
    """The file of the killed API goes on to what a file that is built anew holds."""
    hashes = []
    for path in (Places(settings.folder).duckdb / "slot-0.duckdb", folder / "fresh.duckdb"):
        model = DuckReadModel(path)
        model.open()
        try:
            await rebuilt(tape, model)
            hashes.append(model.store.content_hash())
        finally:
            model.close()
    assert hashes[0] == hashes[1]


async def the_session_is_verified(tape: Tape, reader: RecordingReader, registry: Registry, session: str) -> None:
    """Its decisions are those of a run that nothing interrupts."""
    verdict = await verify(tape, reader, lambda spec: Decider(spec, registry), session)
    assert verdict.equal, verdict.detail
    assert verdict.rows > 0
    await checkers.ordinals_have_no_gap(tape, session)
    await checkers.orders_and_money_add_up(tape, session)


async def under_kills(running: Running, load: Load, connection: Connection, killing: Killing) -> str:
    """The load while processes are killed; the live session, which is over."""
    live, seen = await load.client.start(
        {"mode": "paper", "source": "sim", "strategies": STRATEGIES, "limits": LIMITS}, "live"
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(load.replays("paper"))
        group.create_task(load.replays("backtest"))
        group.create_task(load.trade(live, seen))
        await killing(running, connection)
        load.stopping = True
    await load.client.post(f"/api/sessions/{live}/stop", None, "stop", seen)
    assert (await load.ended(live))["state"] == "stopped"
    return live


async def the_servers_tell_themselves(client: Client) -> None:
    """Their own versions, and how long they run."""
    found = (await client.get("/api/status"))["components"]
    for name, word in (("tape", "nats-server "), ("market", "QuestDB " if cached_jar() else "DuckDB ")):
        assert found[name]["version"].startswith(word), found[name]
        assert found[name]["uptime"] != "unknown", found[name]


async def all_is_as_without(killing: Killing, folder: Path) -> Load:
    """Kill while a house works, then compare: sessions, backtests, orders and read models are those of no kill."""
    settings = settings_of(folder / "data", "questdb" if cached_jar() else "duckdb")
    registry = bootstrap.registry_of(settings)
    async with real_house(settings) as running, AsyncExitStack() as stack:
        connection = await bootstrap.connect(settings, "admin", SystemClock())
        stack.push_async_callback(connection.close)
        client = await stack.enter_async_context(client_of(running, settings))
        load = Load(client, await simulated_recording(connection.tape))
        undisturbed = {await load.replay("paper", 0), await load.replay("backtest", 0)}
        assert len(undisturbed) == 1
        await the_servers_tell_themselves(client)
        live = await under_kills(running, load, connection, killing)
        assert set(load.hashes["paper"]) | set(load.hashes["backtest"]) == undisturbed, load.hashes
        reader = RecordingReader(connection.tape)
        await the_session_is_verified(connection.tape, reader, registry, live)
        if running.servers.questdb is not None:
            await running.supervisor.stop()
            await the_market_store_is_that_of_the_tape(settings, connection.tape, folder)
    async with reached(settings) as again:  # compared with its seal first
        await checkers.every_command_has_one_answer(again.tape)
        await checkers.equal_keys_have_equal_answers(again.tape)
        await acknowledged_stand_once(again.tape, load.client.acknowledged)
        await the_read_model_is_that_of_the_tape(settings, again.tape, folder)
    return load
