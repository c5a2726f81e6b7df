"""One seeded world: tape in memory with faults, engines that die, commands that are repeated, a read model beside.

Everything that is left to chance comes from counter-based generators of the seed, and the loop (`seeded_loop`) has
virtual time and a seeded order, so a failure is one number.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import numpy as np

from engine import catalogue
from engine.sessions.plan import SessionWish, StrategyWish
from engine.sessions.runner import RunnerSettings
from engine.sources.source import Source, forms_of
from events import codec, subjects
from events.errors import OperatingError, TapeUnavailable
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
from events.memory_keys import MemoryKeys
from events.memory_tape import MemoryTape
from tests.engine.sessions.memory_house import MemoryHouse, until, walk
from tests.simulation.read_model import Follower
from tests.simulation.seeded_loop import LoopClock

RATES = FaultRates(
    lost_reply_ratio=0.1,
    lost_request_ratio=0.05,
    refused_ratio=0.05,
    late_ratio=0.1,
    delay_seconds_max=0.002,
    tail_delay_ratio=0.02,
)
ROWS = 2_000
TAIL = Source(id="sim", kind="simulated", symbols=("CCC", "DDD"), acceleration=100.0)
LIMITS = SessionLimits(cash=5_000, global_cap=4_000, stop_loss_ratio=0.01, take_profit_ratio=0.02, fill_ratio_max=0.3)
STRATEGIES = (
    StrategyWish(strategy="ema_cross", params={"fast": 4, "slow": 12}),
    StrategyWish(strategy="mean_reversion"),
)
ON_BARS = (STRATEGIES[0], StrategyWish(strategy="mean_reversion", params={"window": 4}, timeframe="1m"))
DAILY = msgspec.structs.replace(LIMITS, daily_loss_ratio=0.002, position_risk_ratio=0.2)
SNAPSHOTS = RunnerSettings(snapshot_rows=500, snapshot_messages=20, snapshot_seconds=0.05)
PARTED_SECONDS = 1.3  # an engine whose signs of life do not arrive, until another takes its sessions


class Line:
    """The keys as one process sees them; cut, nothing arrives."""

    def __init__(self, keys: MemoryKeys) -> None:
        self._keys = keys
        self.cut = False

    def __getattr__(self, name: str) -> object:
        if self.cut and name in ("put", "get", "swap", "delete", "names"):
            return self._unavailable
        return getattr(self._keys, name)

    async def _unavailable(self, *_: object) -> None:
        raise TapeUnavailable("the line to the keys is cut")


class World:
    """A house in which things go wrong."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = np.random.Generator(np.random.Philox(key=[seed, 2]))
        source = Source(**{**{name: getattr(TAIL, name) for name in TAIL.__struct_fields__}, "seed": seed})
        self.house = MemoryHouse(folder, {source.id: source}, LoopClock())
        self.seed = seed
        self.sessions: list[str] = []
        self._sent = 0
        self._engines = 0
        self.follower = Follower(self.house, folder / "read.duckdb")

    def connection(self) -> MemoryTape:
        """A connection with faults of its own."""
        generator = np.random.Generator(np.random.Philox(int(self.chance.integers(2**62))))
        return self.house.tape.share(faults=Faults(RATES, generator))

    def likely(self, ratio: float) -> bool:
        """A draw."""
        return bool(self.chance.random() < ratio)

    async def run(self) -> None:
        """Trade with interruptions, stop; every session is over and every command answered when this returns."""
        house = self.house
        await house.start()
        await catalogue.register(house.tape, forms_of(house.known["sim"]))
        recording = (await house.record(walk(ROWS, seed=self.seed))).recording.id
        live = self.likely(0.35)
        self.symbols = ["CCC", "DDD", "ZZZ"] if live else ["AAA", "BBB", "ZZZ"]
        spec = await self.begin(None if live else recording)
        following = asyncio.create_task(self.follower.run(self.chance.random(2).tolist()))
        for _ in range(int(self.chance.integers(1, 4))):
            async with contextlib.AsyncExitStack() as engines:
                for _ in range(1 + self.likely(0.4)):
                    await engines.enter_async_context(self.engine())
                await self.live(spec)
                if self.likely(0.25):
                    spec = await self.begin(None if live else recording, replaces=True)
        async with contextlib.AsyncExitStack() as engines:
            for _ in range(1 + self.likely(0.3)):
                await engines.enter_async_context(self.engine(dies=False))
            await self.live(spec)
            if live or self.likely(0.5):
                await self.send_often(StopSession(key="stop", user="ann", session=spec.session))
            for session in self.sessions:
                await until(lambda session=session: self.is_over(session))
            await until(self.all_answered)
        await self.follower.stop()
        await following

    async def begin(self, recording: str | None, *, replaces: bool = False) -> SessionSpec:
        """Start a session, by a command that may be sent twice."""
        wish = SessionWish(
            mode="paper",
            recording=recording,
            source=None if recording else "sim",
            strategies=ON_BARS if self.seed % 2 else STRATEGIES,
            limits=DAILY if self.seed % 2 else LIMITS,
            seed=self.seed,
            acceleration=float(self.chance.choice([0.0, 60.0, 150.0])) if recording else 0.0,
        )
        spec = await self.house.plan(wish)
        self.sessions.append(spec.session)
        start = StartSession(key=f"start-{spec.session}", user="ann", spec=spec, replaces=replaces)
        await self.send_often(start)
        return spec

    async def live(self, spec: SessionSpec) -> None:
        """Some commands, some time."""
        for _ in range(int(self.chance.integers(0, 4))):
            await self.send_often(self.command(spec))
            await asyncio.sleep(float(self.chance.random()) * 0.05)
        await asyncio.sleep(float(self.chance.random()) * 0.3)

    @contextlib.asynccontextmanager
    async def engine(self, *, dies: bool = True) -> AsyncIterator[None]:
        """An engine with faults. Its end: in order, killed, or parted from the keys for a while and then killed."""
        self._engines += 1
        tape, line = self.connection(), Line(self.house.keys)
        with contextlib.suppress(TapeUnavailable):  # what a killed one cannot say any more
            async with self.house.host(f"engine-{self._engines}", SNAPSHOTS, tape, keys=line):  # type: ignore[arg-type]
                yield
                if dies and self.likely(0.4):
                    line.cut = True
                    await asyncio.sleep(PARTED_SECONDS)
                if dies and self.likely(0.6):
                    line.cut = True
                    await tape.close()

    def command(self, spec: SessionSpec) -> Command:
        """Some command to the session."""
        key, session = f"k{int(self.chance.integers(1_000_000))}", spec.session
        kind = int(self.chance.integers(4))
        if kind == 0:
            return CancelOrder(key=key, user="ann", session=session, order=int(self.chance.integers(0, 20)))
        if kind == 1:
            halted = self.likely(0.5)
            return HaltLane(
                key=key, user="ann", session=session, strategy="ema_cross", symbol=self.symbols[0], halted=halted
            )
        return SubmitOrder(
            key=key,
            user="ann",
            session=session,
            symbol=str(self.chance.choice(self.symbols)),
            side="buy" if self.likely(0.5) else "sell",
            quantity=float(np.round(self.chance.random() * 5, 3)) + 0.001,
            kind="limit" if self.likely(0.5) else "market",
            price=float(np.round(99 + self.chance.random() * 2, 2)),
        )

    async def send_often(self, command: Command) -> None:
        """Send a command, now and then twice."""
        start = isinstance(command, StartSession)
        subject = subjects.DESK_COMMANDS if start else subjects.session_commands(getattr(command, "session", ""))
        for _ in range(1 + self.likely(0.4)):
            await self.send(command, subject)

    async def send(self, command: Command, subject: str) -> None:
        """Append over a line that fails; what was said to be lost may stand on the tape all the same."""
        self._sent += 1
        message = codec.to_append(command, subject, f"command:{command.key}:{self._sent}")
        for _ in range(20):
            try:
                await self.connection().append(message)
                return
            except OperatingError:
                await asyncio.sleep(0)
        raise AssertionError("a line that fails so often is no line")

    async def is_over(self, session: str) -> bool:
        """Whether it ended, failed, or never began because its start was refused."""
        last = None
        async for message in self.house.tape.read(1, subjects=(f"tape.session.{session}.fact",)):
            last = codec.decode(message.body, message.sequence)
        return type(last).__name__ in ("SessionEnded", "SessionFailed")

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
