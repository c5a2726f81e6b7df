"""One seeded world: tape in memory with faults, engines that die, commands that are repeated, a read model beside.

Everything that is left to chance comes from one counter-based generator, so a failure is one number.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np

from engine.sessions.host import Host
from engine.sessions.plan import SessionWish, StrategyWish
from engine.sessions.runner import RunnerSettings
from events import codec, subjects
from events.errors import OperatingError
from events.facts import (
    CancelOrder,
    Command,
    HaltLane,
    SessionLimits,
    SessionSpec,
    StartSession,
    StopSession,
    SubmitOrder,
)
from events.faults import FaultRates, Faults
from events.memory_tape import MemoryTape
from tests.engine.sessions.memory_house import MemoryHouse, until, walk

RATES = FaultRates(
    lost_reply_ratio=0.1,
    lost_request_ratio=0.05,
    refused_ratio=0.05,
    late_ratio=0.1,
    delay_seconds_max=0.002,
    tail_delay_ratio=0.02,
)
ROWS = 3_000
LIMITS = SessionLimits(cash=5_000, global_cap=4_000, stop_loss_ratio=0.01, take_profit_ratio=0.02, fill_ratio_max=0.3)
STRATEGIES = (
    StrategyWish(strategy="ema_cross", params={"fast": 4, "slow": 12}),
    StrategyWish(strategy="mean_reversion"),
)


class World:
    """A house in which things go wrong."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = np.random.Generator(np.random.Philox(seed))
        self.house = MemoryHouse(folder)
        self.seed = seed
        self.sent: list[int] = []  # sequences of commands

    def connection(self) -> MemoryTape:
        """A connection with faults of its own."""
        generator = np.random.Generator(np.random.Philox(int(self.chance.integers(2**62))))
        return self.house.tape.share(faults=Faults(RATES, generator))

    async def run(self) -> SessionSpec:
        """Record, trade with interruptions, stop; the session is over when this returns."""
        house = self.house
        await house.start()
        recording = (await house.record(walk(ROWS, seed=self.seed))).recording
        wish = SessionWish(
            mode="paper",
            recording=recording.id,
            strategies=STRATEGIES,
            limits=LIMITS,
            seed=self.seed,
            acceleration=float(self.chance.choice([0.0, 500.0, 2_000.0])),
        )
        spec = await house.plan(wish)
        await self.send(StartSession(key="start", user="ann", spec=spec), subjects.DESK_COMMANDS)
        settings = RunnerSettings(snapshot_rows=500, snapshot_messages=20, snapshot_seconds=0.05, leave_seconds_max=0)
        for life in range(int(self.chance.integers(1, 4))):
            async with self.engine(f"engine-{life}", settings):
                for _ in range(int(self.chance.integers(0, 4))):
                    await self.meddle(spec)
                await asyncio.sleep(float(self.chance.random()) * 0.05)
        async with self.engine("last", settings):
            if self.chance.random() < 0.5:
                await self.meddle(StopSession(key="stop", user="ann", session=spec.session))
            await house.ended(spec.session)
            await until(self.all_answered)
        return spec

    def engine(self, name: str, settings: RunnerSettings) -> AbstractAsyncContextManager[Host]:
        """A host whose connection has faults; leaving it is its death."""
        return self.house.host(name, settings, self.connection())

    async def meddle(self, what: SessionSpec | Command) -> None:
        """Send a command, now and then twice."""
        command = what if isinstance(what, Command) else self.command(what)
        for _ in range(1 + int(self.chance.random() < 0.4)):
            session = getattr(command, "session", "")
            await self.send(command, subjects.session_commands(session))
        await asyncio.sleep(float(self.chance.random()) * 0.01)

    def command(self, spec: SessionSpec) -> Command:
        """Some command to the session."""
        number = int(self.chance.integers(1_000_000))
        key, session = f"k{number}", spec.session
        kind = int(self.chance.integers(4))
        if kind == 0:
            side = "buy" if self.chance.random() < 0.5 else "sell"
            quantity = float(np.round(self.chance.random() * 5, 3)) + 0.001
            return SubmitOrder(
                key=key,
                user="ann",
                session=session,
                symbol=str(self.chance.choice(["AAA", "BBB", "ZZZ"])),
                side=side,
                quantity=quantity,
                kind="limit" if self.chance.random() < 0.5 else "market",
                price=float(np.round(99 + self.chance.random() * 2, 2)),
            )
        if kind == 1:
            return CancelOrder(key=key, user="ann", session=session, order=int(self.chance.integers(0, 20)))
        halted = bool(self.chance.random() < 0.5)
        return HaltLane(key=key, user="ann", session=session, strategy="ema_cross", symbol="AAA", halted=halted)

    async def send(self, command: Command, subject: str) -> None:
        """Append over a line that fails; what was said to be lost may stand on the tape all the same."""
        attempt = len(self.sent)
        message = codec.to_append(command, subject, f"command:{command.key}:{attempt}")
        for _ in range(20):
            try:
                self.sent.append(await self.connection().append(message))
                return
            except OperatingError:
                await asyncio.sleep(0)
        raise AssertionError("a line that fails so often is no line")

    async def all_answered(self) -> bool:
        """Whether every command on the tape has its answer."""
        open_commands: set[int] = set()
        async for message in self.house.tape.read(1):
            if codec.is_frame(message.body):
                continue
            body = codec.decode(message.body, message.sequence)
            if isinstance(body, Command):
                open_commands.add(message.sequence)
            elif (cause := getattr(body, "cause", None)) is not None:
                open_commands.discard(cause)
        return not open_commands
