"""Workers in memory: each a host and a job runner on a connection of its own, on one tape with one set of keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engine.aggregates.answering import Answering
from engine.aggregates.instruments import Instruments
from engine.aggregates.jobs import Jobs
from engine.jobs.kind import Kind
from engine.jobs.kinds import KINDS
from engine.jobs.life import JobState
from engine.jobs.queue import Queue, Room
from engine.jobs.runner import JobRunner, JobSettings
from engine.jobs.sessions import JobSessions
from engine.jobs.work import Tools
from engine.sessions.host import Host
from engine.sessions.plan import SessionWish, StrategyWish
from events import codec, subjects
from events.facts import CommandAccepted, CommandRefused, Fact, SessionStarted
from events.facts.jobs import StopJob, SubmitJob
from events.memory_tape import MemoryTape
from tests.engine.sessions.memory_house import REGISTRY, MemoryHouse, until

ONE_CORE = Room(cores=1.0, memory_mb=1_024)


@dataclass(slots=True)
class Worker:
    """One worker process, as it were."""

    runner: JobRunner
    host: Host
    answering: Answering
    tape: MemoryTape


class JobHouse(MemoryHouse):
    """What a test works with."""

    def __init__(self, folder: Path, kinds: Mapping[str, Kind] = KINDS) -> None:
        super().__init__(folder)
        self.kinds = kinds

    @asynccontextmanager
    async def worker(
        self, name: str = "w1", machine: str = "m1", room: Room = ONE_CORE, tape: MemoryTape | None = None
    ) -> AsyncIterator[Worker]:
        """A worker that runs until the block ends."""
        tape = tape or self.tape.share()
        async with AsyncExitStack() as stack:
            settings = JobSettings(
                worker=name,
                machine=machine,
                room=room,
                progress_seconds=0.0,
                alive_seconds=0.2,
                look_seconds=0.02,
                rest_seconds=0.01,
            )
            sessions = JobSessions(tape, self.clock, retry_seconds=0.05)
            tools = Tools(around=self.around(tape), strategies=REGISTRY, library=self.library, sessions=sessions)
            runner = JobRunner(tools, self.kinds, self.keys, settings)
            await runner.start()
            stack.push_async_callback(runner.close)
            host = await stack.enter_async_context(self.host(name, tape=tape))
            host.admits = runner.admits
            answering = Answering(tape, self.clock, [Instruments(), Jobs(self.kinds)], self.blobs)
            await answering.start()
            stack.push_async_callback(answering.close)
            yield Worker(runner, host, answering, tape)

    async def submit(self, name: str, body: msgspec.Struct, **fields: Any) -> int:
        """Ask for a job; the sequence of the command."""
        raw = msgspec.Raw(msgspec.json.encode(body))
        given = {"kind": "backtest", "user": "ann", "key": f"submit-{name}-{self._next()}"} | fields
        return await self.ask(SubmitJob(job=name, body=raw, **given))

    async def stop(self, name: str) -> None:
        """Ask for its end."""
        await self.ask(StopJob(key=f"stop-{name}", user="ann", job=name))

    async def ask(self, command: SubmitJob | StopJob) -> int:
        """Append a command; its sequence."""
        append = codec.to_append(command, subjects.commands("jobs"), f"command:{self._next()}")
        return await self.tape.append(append)

    async def answer(self, sequence: int) -> CommandAccepted | CommandRefused:
        """The answer to a command."""
        found: list[CommandAccepted | CommandRefused] = []

        async def answered() -> bool:
            facts = [one for _, one in await self.facts(subjects.JOBS)]
            found.extend(
                one for one in facts if isinstance(one, CommandAccepted | CommandRefused) and one.cause == sequence
            )
            return bool(found)

        await until(answered)
        return found[0]

    async def facts(self, *wanted: str) -> list[tuple[int, Fact]]:
        """Facts of subjects with their sequences."""
        found = []
        async for message in self.tape.read(1, subjects=wanted or (subjects.JOB_FACTS,)):
            body = codec.decode(message.body, message.sequence)
            if isinstance(body, Fact):
                found.append((message.sequence, body))
        return found

    async def queue(self) -> Queue:
        """The queue as of now."""
        queue = Queue()
        for sequence, fact in await self.facts():
            queue.note(fact, sequence)
        return queue

    async def until_state(self, name: str, *states: JobState) -> None:
        """Wait until a job is in one of these states."""

        async def reached() -> bool:
            return (await self.queue()).state(name) in states

        await until(reached)

    async def until_session(self, name: str) -> None:
        """Wait until a session was started."""

        async def started() -> bool:
            return name in await self.sessions()

        await until(started)

    async def sessions(self) -> list[str]:
        """Ids of the research sessions that were started."""
        facts = await self.facts("tape.research.*.fact")
        return [one.spec.session for _, one in facts if isinstance(one, SessionStarted)]


def wish(recording: str | None = None, **fields: Any) -> SessionWish:
    """A plain backtest."""
    given = {"strategies": (StrategyWish(strategy="ema_cross", params={"fast": 5, "slow": 20}),)} | fields
    return SessionWish(mode="backtest", recording=recording, **given)
