"""Tape, keys, blobs, sources and a host in memory: sessions run for real, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from engine import catalogue
from engine.catalogue import InstrumentForm
from engine.feeds.feed import Description, NumberOf
from engine.loop.decision_loop import code_hash_for
from engine.recordings import shelf
from engine.recordings.importing import Imported, Importer
from engine.recordings.reading import RecordingReader
from engine.recordings.segments import Segments
from engine.research.sweeping import SweepRunner
from engine.sessions import history as histories
from engine.sessions.collector import Collector
from engine.sessions.decider import Decider
from engine.sessions.history import History
from engine.sessions.host import Host, HostSettings
from engine.sessions.life import Session
from engine.sessions.offers import Sources
from engine.sessions.plan import Library, Params, SessionWish, plan
from engine.sessions.runner import Runner, RunnerSettings, Surroundings
from engine.sources import holding
from engine.sources.keeper import KeepingSettings
from engine.sources.lease import LeaseTimes
from engine.sources.source import Source
from engine.strategies.registry import discover
from events import codec, subjects
from events.clock import Clock, SystemClock
from events.durations import order_durations
from events.facts import Command, CommandAccepted, CommandRefused, SessionSpec, StartSession
from events.memory_keys import MemoryBlobs, MemoryKeys
from events.memory_tape import MemoryTape
from events.rows import MARKET_DTYPE, MarketKind, Rows

REGISTRY = discover()
SECONDS_MAX = 30.0
QUICK = HostSettings(modes=("paper", "backtest", "collect"), look_seconds=0.01, rest_seconds=0.05, alive_seconds=0.2)

KEEPING = KeepingSettings(lease=LeaseTimes(0.2, 1.0), look_seconds=0.05, pause_seconds=0.05)


class ArrayFeed:
    """Rows at hand as a feed of one instrument a number in `rows["instrument"]` (0, 1, ...)."""

    def __init__(
        self, rows: Rows, steps: tuple[float, float] = (0.01, 0.001), symbols: tuple[str, ...] = ("AAA", "BBB")
    ) -> None:
        self._rows = rows
        self._forms = tuple(
            InstrumentForm(symbol=symbol, venue="TEST", quote="USD", price_step=steps[0], quantity_step=steps[1])
            for symbol in symbols
        )

    def survey(self) -> Description:
        """What the rows are."""
        return Description(instruments=self._forms, kinds=("trade",), rows=len(self._rows))

    def chunks(self, number: NumberOf) -> list[Rows]:
        """All rows at once, numbered by the catalogue."""
        numbers = np.array([number(form) for form in self._forms], np.int32)
        rows = self._rows.copy()
        rows["instrument"] = numbers[rows["instrument"]]
        return iter([rows])  # type: ignore[return-value]


def walk(count: int, seed: int = 1, instruments: int = 2) -> Rows:
    """A random walk of trades, a tenth of a second apart."""
    chance = np.random.Generator(np.random.Philox(seed))
    rows = np.zeros(count, MARKET_DTYPE)
    rows["ts_event_ns"] = 1_700_000_000_000_000_000 + np.arange(count) * 100_000_000
    rows["ts_received_ns"] = rows["ts_event_ns"]
    rows["price"] = np.round(100 + np.cumsum(chance.normal(0, 0.05, count)), 2)
    rows["quantity"] = np.round(chance.lognormal(0, 1, count), 3) + 0.001
    rows["instrument"] = chance.integers(0, instruments, count)
    rows["kind"] = MarketKind.TRADE
    rows["side"] = chance.choice([-1, 1], count)
    return rows


class MemoryHouse:
    """What a test works with."""

    def __init__(self, folder: Path, sources: Mapping[str, Source] | None = None, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.tape = MemoryTape(clock=self.clock)
        self.keys = MemoryKeys(lifetime_seconds=1.0, clock=self.clock)
        self.blobs = MemoryBlobs()
        self.folder = folder
        self.known = dict(sources or {})
        self.strategies = REGISTRY
        self.order_times = order_durations()
        self._number = 0

    async def start(self) -> None:
        """Read the epoch."""
        epoch = (await self.tape.info()).epoch
        self.segments = Segments(self.folder / "segments", epoch)
        self.reader = RecordingReader(self.tape, self.segments)

    def around(self, tape: MemoryTape, settings: RunnerSettings | None = None) -> Surroundings:
        """What a runner is given."""
        reader = RecordingReader(tape, self.segments)
        return Surroundings(
            tape,
            self.blobs,
            self.clock,
            reader,
            self.decider,
            settings or RunnerSettings(),
            order_times=self.order_times,
        )

    def decider(self, spec: SessionSpec) -> Decider:
        """A fresh decider."""
        return Decider(spec, self.strategies)

    @asynccontextmanager
    async def host(
        self,
        name: str = "one",
        runner: RunnerSettings | None = None,
        tape: MemoryTape | None = None,
        limits: HostSettings = QUICK,
        keys: MemoryKeys | None = None,
    ) -> AsyncIterator[Host]:
        """A host on a connection of its own."""
        tape, keys = tape or self.tape.share(), keys or self.keys
        around = self.around(tape, runner)
        sources = holding.Sources(tape, keys, self.clock, self.known, self.segments, KEEPING)

        async def run(session: Session, claim: int) -> None:
            if session.spec.grid:
                await SweepRunner(around, session, claim, REGISTRY).run()
            elif session.spec.input.recording is not None:
                await Runner(around, session, claim).run()
            else:
                async with sources.held(session.spec.input.source, session.spec.session):
                    kind = Collector if session.spec.mode == "collect" else Runner
                    await kind(around, session, claim).run()

        host = Host(tape, keys, self.clock, name, run, limits)
        await host.start(self.blobs)
        try:
            yield host
        finally:
            await host.close()

    async def record(self, rows: Rows, content: str = "c0ffee", steps: tuple[float, float] = (0.01, 0.001)) -> Imported:
        """Import rows as a complete recording; `steps` of price and quantity."""
        importer = Importer(self.tape, self.clock, self.segments)
        return await importer.run(ArrayFeed(rows, steps), content.ljust(32, "0"), "test rows")  # type: ignore[arg-type]

    async def library(self) -> Library:
        """What plans look things up in."""
        return Library(
            await catalogue.load(self.tape),
            await shelf.load(self.tape),
            Sources({one.id: one.symbols for one in self.known.values()}),
            lambda name, params: self.strategies[name].resolve(params),
            lambda names, intervals: code_hash_for(tuple(sorted(set(names))), self.strategies, intervals),
            lambda name: self.strategies[name].kinds,
            self._unseen,
        )

    def _unseen(self, name: str, params: Params, bar_ns: int) -> str:
        unseen = self.strategies[name].unseen
        return unseen(params, bar_ns) if unseen else ""

    async def plan(self, wish: SessionWish, user: str = "ann") -> SessionSpec:
        """The specification of a wish under a fresh id."""
        self._number += 1
        return plan(wish, f"s{self._number}", user, await self.library())

    async def send(self, command: Command) -> CommandAccepted | CommandRefused:
        """Append a command and wait for its answer."""
        start = isinstance(command, StartSession)
        subject = subjects.DESK_COMMANDS if start else subjects.session_commands(getattr(command, "session", ""))
        sequence = await self.tape.append(codec.to_append(command, subject, f"command:{command.key}:{self._next()}"))
        answers: list[CommandAccepted | CommandRefused] = []

        async def answered() -> bool:
            async for message in self.tape.read(sequence, subjects=(subjects.DESK, "tape.*.*.fact")):
                fact = codec.decode(message.body, message.sequence)
                if isinstance(fact, CommandAccepted | CommandRefused) and fact.cause == sequence:
                    answers.append(fact)
            return bool(answers)

        await until(answered)
        return answers[0]

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def start_session(self, wish: SessionWish, **fields: bool) -> SessionSpec:
        """Plan and start; the start must be accepted."""
        spec = await self.plan(wish)
        answer = await self.send(StartSession(key=f"start-{spec.session}", user="ann", spec=spec, **fields))
        assert isinstance(answer, CommandAccepted), answer
        return spec

    async def decided(self, session: str) -> None:
        """Wait until a session has decided something: there is a price then."""

        async def any_row() -> bool:
            return await self.tape.last(f"tape.*.{session}.decision") is not None

        await until(any_row)

    async def ended(self, session: str) -> History:
        """The history once the session ended or failed."""
        found: list[History] = []

        async def over() -> bool:
            history = await histories.read(self.tape, session)
            found.append(history)
            return history.ended is not None or history.failed is not None

        await until(over)
        return found[-1]


async def until(done: object) -> None:
    """Wait for an async condition, bounded."""
    deadline = asyncio.get_running_loop().time() + SECONDS_MAX
    while not await done():  # type: ignore[operator]
        assert asyncio.get_running_loop().time() < deadline, "waited too long"
        await asyncio.sleep(0.01)
