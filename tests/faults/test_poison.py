"""A user's kernel that never returns from one row, through real processes: the guilty session fails, others go on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from api.cli.opened import Opened, opened
from api.cli.waiting import session_name, start
from api.places import Places
from api.processes.supervisor import ChildSpec, Supervisor, SupervisorSettings
from api.settings import EngineSettings, Settings, TapeSettings
from engine.research.verify import verify
from engine.sessions import history as histories
from engine.sessions.history import History
from engine.sessions.plan import SessionWish, StrategyWish, plan
from engine.sessions.watchdog import EXIT_CODE
from events import codec, subjects
from events.clock import SystemClock
from events.errors import Conflict, OutcomeUnknown
from events.facts import SessionSpec, StepOverran
from events.jetstream.server import NatsServer

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

POISON_ROW = 700
ROWS = 6_000
STEP_SECONDS_MAX = 1.5
OVER_SECONDS_MAX = 120.0
STARTS_MAX = 6

STUCK = '''"""Buys nothing and never returns from a price of 12345.67."""

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from engine.strategies.strategy import Strategy


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One that does nothing."""

    window: Annotated[int, Meta(ge=1, le=9, description="rows")] = 1


STATE = np.dtype([("turns", "<f8")])


def kernel(row: Any, market: Any, lane: Any, state: Any, params: Any, intents: Any) -> int:
    """Nothing, or for ever."""
    while row["price"] == 12345.67:
        state["turns"] += 1.0
    return 0


STRATEGY = Strategy(
    id="stuck", name="Stuck", description="Never returns from one price.", params=Params, state=STATE, kernel=kernel
)
'''


def market_file(path: Path) -> Path:
    """Trades a second apart, the price of one of which is poison to one strategy."""
    lines = ["symbol,side,price,amount,timestamp"]
    for at in range(ROWS):
        price = 12345.67 if at == POISON_ROW else 12_000 + abs((at % 200) - 100)
        lines.append(
            f"BTC-USD,buy,{price:.2f},0.5,2023-09-05T{10 + at // 3600}:{at // 60 % 60:02d}:{at % 60:02d}.000000Z"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


class House:
    """A tape with a recording, and one process under a supervisor."""

    def __init__(self, settings: Settings, tools: Opened, recording: str, supervisor: Supervisor) -> None:
        self.settings = settings
        self.tools = tools
        self.recording = recording
        self.supervisor = supervisor

    async def start(self, wish: SessionWish) -> SessionSpec:
        """Start a session; asked again under its key where the process that was to answer ended meanwhile."""
        spec = plan(wish, session_name(self.tools.clock), "admin", self.tools.lookups.library())
        for _ in range(STARTS_MAX):
            self.supervisor.watch()
            try:
                await start(self.tools, spec)
            except OutcomeUnknown:
                continue
            return spec
        raise TimeoutError(f"{spec.session}: {STARTS_MAX} tries without an answer")

    async def over(self, spec: SessionSpec) -> History:
        """The history of a session that ended or failed, its process started again as often as needed."""
        clock = self.tools.clock
        until_ns = clock.monotonic_ns() + round(OVER_SECONDS_MAX * 1e9)
        while clock.monotonic_ns() < until_ns:
            self.supervisor.watch()
            history = await histories.read(self.tools.connection.tape, spec.session)
            if history.ended or history.failed:
                return history
            await clock.sleep(0.1)
        raise TimeoutError(
            f"{spec.session} is not over: {self.supervisor.log_tail(next(iter(self.supervisor.pids())))}"
        )

    async def ended_with(self, code: int) -> None:
        """Wait until the process ended with this code; it is not started again meanwhile."""
        (child,) = self.supervisor.children()
        clock = self.tools.clock
        until_ns = clock.monotonic_ns() + round(OVER_SECONDS_MAX * 1e9)
        while child.poll() is None and clock.monotonic_ns() < until_ns:
            await clock.sleep(0.1)
        assert child.poll() == code

    async def overruns(self, spec: SessionSpec) -> list[StepOverran]:
        """What the tape says of steps that took too long."""
        subject = subjects.session_fact(spec.session, research=spec.research)
        facts = [codec.decode(one.body) async for one in self.tools.connection.tape.read(subjects=(subject,))]
        return [fact for fact in facts if isinstance(fact, StepOverran)]


@asynccontextmanager
async def house(folder: Path, role: str) -> AsyncIterator[House]:
    """A server, a recording, and one process of the role."""
    server = NatsServer(folder / "nats")
    access = await server.start()
    strategies = folder / "strategies"
    strategies.mkdir()
    (strategies / "stuck.py").write_text(STUCK)
    settings = Settings(
        data=str(folder / "data"),
        tape=TapeSettings(url=access.url, credentials=str(server.folder / "keys")),
        engine=EngineSettings(strategies=str(strategies), step_seconds_max=STEP_SECONDS_MAX),
    )
    env = {
        "TAPEDECK_NATS_URL": access.url,
        "TAPEDECK_NATS_CREDENTIALS": settings.tape.credentials,
        "TAPEDECK_DATA": settings.data,
        "TAPEDECK_ENGINE_STRATEGIES": str(strategies),
        "TAPEDECK_ENGINE_STEP_SECONDS_MAX": str(STEP_SECONDS_MAX),
    }
    supervisor = Supervisor(folder / "logs", SystemClock(), {**os.environ, **env}, SupervisorSettings())
    supervisor.settled()
    try:
        recording = await imported(folder, env)
        async with opened(settings) as tools:
            supervisor.start(ChildSpec(role, ("run", role, "--name", role)))
            yield House(settings, tools, recording, supervisor)
    finally:
        await supervisor.stop()
        await server.stop()


async def imported(folder: Path, env: dict[str, str]) -> str:
    """Make the tape and import the file; the recording."""
    await verb(env, "init")
    told = await verb(env, "import", str(market_file(folder / "trades.csv")), "--json")
    return str(msgspec.json.decode(told)[0]["recording"])


async def verb(env: dict[str, str], *arguments: str) -> bytes:
    """Run `tapedeck ARGUMENTS`; what it said."""
    command = [sys.executable, "-m", "api.cli", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, env={**os.environ, **env})
    told, _ = await process.communicate()
    assert process.returncode == 0, arguments
    return told


def wish(house: House, mode: str, strategy: str, **fields: object) -> SessionWish:
    """A session over the recording."""
    return SessionWish(
        mode=mode,  # type: ignore[arg-type]
        strategies=(StrategyWish(strategy=strategy),),
        recording=house.recording,
        **fields,  # type: ignore[arg-type]
    )


async def check_poisoned(house: House, spec: SessionSpec) -> None:
    """It failed at the exact row, after exactly two processes that ended over it."""
    history = await house.over(spec)
    assert history.failed is not None
    assert history.failed.code == "POISON", history.failed
    overruns = await house.overruns(spec)
    assert len(overruns) == 2
    assert overruns[0].first_input <= POISON_ROW < overruns[0].last_input
    assert (overruns[1].first_input, overruns[1].last_input) == (POISON_ROW, POISON_ROW + 1)
    assert history.failed.at == overruns[1].at
    assert history.failed.at.index == POISON_ROW
    log = (house.supervisor.log_tail("engine") + house.supervisor.log_tail("worker")).splitlines()
    assert log
    assert not list(Places(house.settings.folder).overruns.glob("*"))


async def test_only_the_guilty_session_fails(tmp_path: Path) -> None:
    """Two sessions of one engine: one has a row its kernel never returns from, the other decides as if alone."""
    async with house(tmp_path, "engine") as made:
        innocent = await made.start(wish(made, "paper", "ema_cross", acceleration=1_500.0))
        guilty = await made.start(wish(made, "paper", "stuck"))
        await check_poisoned(made, guilty)
        history = await made.over(innocent)
        assert history.ended is not None, history.failed
        tools = made.tools
        verdict = await verify(tools.connection.tape, tools.reader, tools.decider, innocent.session)
        assert verdict.equal
        assert history.ended.inputs == ROWS
        with pytest.raises(Conflict, match="it failed: Twice a step did not end"):
            await verify(tools.connection.tape, tools.reader, tools.decider, guilty.session)


async def test_backtests_and_sweeps_of_a_stuck_kernel_fail(tmp_path: Path) -> None:
    """A worker ends with a code of its own, twice for each, and then goes on with what follows."""
    async with house(tmp_path, "worker") as made:
        guilty = await made.start(wish(made, "backtest", "stuck"))
        await made.ended_with(EXIT_CODE)
        assert "step_overran" in made.supervisor.log_tail("worker")
        made.supervisor.watch()
        sweep = await made.start(wish(made, "backtest", "stuck", grid=({"window": 1}, {"window": 2})))
        following = await made.start(wish(made, "backtest", "ema_cross"))
        await check_poisoned(made, guilty)
        failed = (await made.over(sweep)).failed
        assert failed is not None
        assert failed.code == "POISON"
        assert len(await made.overruns(sweep)) == 2
        assert (await made.over(following)).ended is not None
