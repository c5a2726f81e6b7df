"""Parameter sweeps: one recording, many parameters, results only. Any single run is reproducible as a backtest.

Rows are read once, in stretches; every run of the grid reads each stretch before the next is fetched, on all cores.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

import msgspec
import structlog

from engine.answers import accepted, refused
from engine.loop.bars import ROWS_PER_BAR
from engine.loop.decision_loop import DecisionLoop, Decisions, code_hash_for, loop_for
from engine.loop.spec import loop_spec
from engine.recordings.reading import Window
from engine.research.thin_curve import ThinCurve
from engine.sessions import history as histories
from engine.sessions.decision_hash import DecisionHash
from engine.sessions.life import Session
from engine.sessions.progress import ProgressTimes
from engine.sessions.runner import Surroundings
from engine.sessions.watchdog import Step
from engine.strategies.strategy import Strategy
from events import codec, subjects
from events.errors import Bug, FenceLost, InvalidInput
from events.facts import (
    Command,
    Fact,
    Place,
    ResearchCompleted,
    SessionEnded,
    SessionFailed,
    SessionProgressed,
    SessionSpec,
    SessionSuspended,
    StopSession,
)
from events.rows import BAR_DTYPE, DECISION_KINDS, Rows, SectionKind
from events.tape import Message

log = structlog.get_logger(__name__)

Around = Callable[[], AbstractContextManager[None]]
Params = dict[str, float | int | bool]
CHUNK_ROWS_MAX = 262_144
RUNS_HELD_MAX = 128  # runs at once, some 1.4 MB each: a larger grid reads its rows once for every so many
TABLE_ROWS_MAX = 500  # of the table in one fact, which has room for rows of 2 KB
JOB_CORES_MAX = 4  # that a job's sweep keeps busy; one of a command line takes all


class SweepRow(msgspec.Struct, frozen=True):
    """What one set of parameters came to. Money in quote currency."""

    run: int
    params: Params
    equity: float
    return_ratio: float
    drawdown_ratio: float  # greatest fall of equity from its peak, over all rows
    fills: int
    signals: int
    fees: float
    realized: float
    decision_hash: str
    sharpe_ratio: float | None = None  # per year, as a backtest's; None where it is not defined


class Sweep:
    """Runs of a grid over one reading of the rows. Once `halted` is set, no run is made and none reads further.

    `first` is the number of its first run where the grid is a part of a larger one.
    """

    def __init__(
        self,
        spec: SessionSpec,
        strategies: Mapping[str, Strategy],
        halted: threading.Event | None = None,
        first: int = 0,
    ) -> None:
        self.spec = spec
        self._first = first
        self._halted = halted or threading.Event()
        only = spec.strategies[0]
        loop = loop_for((only.strategy,), strategies, bool(only.timeframe))
        self._loops: list[DecisionLoop] = []
        for params in spec.grid:
            if self._halted.is_set():
                break
            strategy = msgspec.structs.replace(only, params={**only.params, **params})
            single = msgspec.structs.replace(spec, strategies=(strategy,), grid=())
            self._loops.append(DecisionLoop(loop_spec(single), strategies, loop=loop))
        self._hashes = [DecisionHash() for _ in self._loops]
        self._curves = [ThinCurve(spec.limits.cash) for _ in self._loops]
        self._failed: list[int] = [0] * len(self._loops)

    @property
    def inputs(self) -> int:
        """Input rows read so far."""
        return self._loops[0].inputs + self._loops[0].waiting if self._loops else 0

    def advance(self, rows: Rows, pool: ThreadPoolExecutor, around: Around = nullcontext) -> None:
        """Give market or bar rows to every run, each within a context of its own."""
        list(pool.map(lambda at: self._one(at, rows, around), range(len(self._loops))))

    def _one(self, at: int, rows: Rows, around: Around) -> None:
        loop = self._loops[at]
        if self._failed[at] or self._halted.is_set():
            return
        with around():
            decisions = loop.advance_bars(rows) if rows.dtype == BAR_DTYPE else loop.advance(rows)
        self._take(at, decisions)

    def _take(self, at: int, decisions: Decisions) -> None:
        self._keep(at, decisions)
        self._failed[at] = self._loops[at].failed

    def _keep(self, at: int, decisions: Decisions) -> None:
        for kind, found in zip(DECISION_KINDS, decisions.kinds(), strict=True):
            if len(found):
                self._hashes[at].add(kind, found)
            if kind is SectionKind.MARK:
                self._curves[at].add(found)

    def results(self) -> list[SweepRow]:
        """One row a run, in the order of the grid, after the end of data.

        Raises:
            Bug: a kernel failed, or a result is no finite number.
        """
        found = []
        for at, (loop, digest) in enumerate(zip(self._loops, self._hashes, strict=True)):
            self._take(at, loop.catch_up())
            if self._failed[at]:
                raise Bug(f"The kernel of run {at} failed with code {self._failed[at]}.", code="KERNEL_FAILED")
            self._keep(at, loop.close(flatten=self.spec.limits.close_on_stop))
            account = loop.account[0]
            counts, cash = digest.counts(), self.spec.limits.cash
            found.append(
                SweepRow(
                    run=self._first + at,
                    params=self.spec.grid[at],
                    equity=float(account["equity"]),
                    return_ratio=(float(account["equity"]) - cash) / cash if cash else 0.0,
                    drawdown_ratio=float(account["drawdown_ratio"]),
                    fills=counts["fill"],
                    signals=counts["signal"],
                    fees=float(account["fees"]),
                    realized=float(account["realized"]),
                    decision_hash=digest.hexdigest(),
                    sharpe_ratio=self._curves[at].sharpe_ratio(self.spec),
                )
            )
        codec.check_finite(found, "A sweep's row")
        return found


def parts(spec: SessionSpec) -> list[tuple[int, SessionSpec]]:
    """The grid cut into what is held at once: number of the first run, and the session with these runs."""
    return [
        (first, msgspec.structs.replace(spec, grid=spec.grid[first : first + RUNS_HELD_MAX]))
        for first in range(0, len(spec.grid), RUNS_HELD_MAX)
    ]


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


class SweepRunner:
    """Runs one claimed sweep to its end, or until it is told to stop: it has no results then."""

    def __init__(
        self,
        around: Surroundings,
        session: Session,
        claim: int,
        strategies: Mapping[str, Strategy],
    ) -> None:
        self._around = around
        self._session = session
        self._last = claim
        self._strategies = strategies
        self._progress = ProgressTimes(around.clock, around.settings.progress_seconds)
        self._heard: list[tuple[int, Command]] = []  # by sequence, not answered yet
        self._answered: set[int] = set()
        self._stopped = False
        self._halted = threading.Event()

    async def run(self) -> None:
        """To its end, or until the fence is lost. Raises OperatingError."""
        spec = self._session.spec
        try:
            if await self._suspended():
                return
            sweep, rows, place = await self._commanded()
            await self._end(sweep, None if self._stopped else rows, place)
        except (Bug, InvalidInput) as error:
            await self._append(
                SessionFailed(session=spec.session, code=error.code, message=str(error)), f"{spec.session}:failed"
            )
        except FenceLost as error:
            log.warning("sweep_is_stale", session=spec.session, error=str(error))

    async def _suspended(self) -> bool:
        """Whether other code is here than the sweep began with: its runs would have other hashes than it says."""
        spec, begun = self._session.spec, self._session.code_hash
        only = spec.strategies[0]
        found = await asyncio.to_thread(code_hash_for, (only.strategy,), self._strategies, bool(only.timeframe))
        if found != begun:
            fact = SessionSuspended(session=spec.session, code_hash=begun, found_hash=found)
            await self._append(fact, f"{spec.session}:suspended:{self._session.epoch}")
            log.warning("session_suspended", session=spec.session, code_hash=begun, found_hash=found)
        return found != begun

    # --- commands -------------------------------------------------------------------------------------------------

    async def _commanded(self) -> tuple[Sweep, list[SweepRow], Place]:
        """Read, and answer what is commanded meanwhile; the last part of the grid, all rows, the last place read."""
        tape, name = self._around.tape, self._session.spec.session
        self._answered = set((await histories.read(tape, name)).answered)

        async def hear(message: Message) -> None:
            command = codec.decode(message.body, message.sequence)
            assert isinstance(command, Command), "only commands stand there"
            self._heard.append((message.sequence, command))
            if isinstance(command, StopSession):
                self._stopped = True
                self._halted.set()

        tail = await tape.tail(self._session.after + 1, hear, subjects=(subjects.session_commands(name),))
        try:
            rows: list[SweepRow] = []
            for first, part in parts(self._session.spec):
                sweep = await asyncio.to_thread(Sweep, part, self._strategies, self._halted, first)
                place = await self._read(sweep)
                if self._stopped:
                    break
                rows += await asyncio.to_thread(sweep.results)
            return sweep, rows, place
        finally:
            self._halted.set()  # a thread that a cancel left behind ends soon too
            await tail.close()

    async def _answer(self, inputs: int) -> None:
        name = self._session.spec.session
        while self._heard:
            sequence, command = self._heard.pop(0)
            if sequence in self._answered:
                continue
            answer: Fact = accepted(command, sequence, name, effective_input=inputs)
            if not isinstance(command, StopSession):
                message = "A sweep trades nothing by hand; it only takes a stop."
                answer = refused(command, sequence, name, ("CONFLICT", message, None))
            await self._append(answer, f"answer:{sequence}")

    # --- reading --------------------------------------------------------------------------------------------------

    async def _read(self, sweep: Sweep) -> Place:
        """All rows, or until it is halted."""
        busy = min(cores(), JOB_CORES_MAX) if sweep.spec.job else cores()
        with ThreadPoolExecutor(busy) as pool:
            try:
                return await self._read_with(pool, sweep)
            except BaseException:
                self._halted.set()  # leaving waits for the pool
                raise

    async def _read_with(self, pool: ThreadPoolExecutor, sweep: Sweep) -> Place:
        given = sweep.spec.input
        assert given.first is not None, "a sweep reads a recording"
        assert given.last is not None, "a sweep reads a recording"
        place = Place()
        async for item in self._around.reader.read(Window(given.source, given.first, given.last)):
            for at in range(0, len(item.rows), CHUNK_ROWS_MAX):
                rows = item.rows[at : at + CHUNK_ROWS_MAX]
                await asyncio.to_thread(sweep.advance, rows, pool, self._watched(sweep, rows, item.place(at)))
                await self._tell(sweep.inputs, item.place(min(at + CHUNK_ROWS_MAX, len(item.rows)) - 1))
                await self._answer(sweep.inputs)
                if self._stopped:
                    return place
            place = item.last
        return place

    async def _tell(self, inputs: int, place: Place) -> None:
        """How far it has read, now and then."""
        if self._progress.due(inputs):
            name, epoch = self._session.spec.session, self._session.epoch
            fact = SessionProgressed(session=name, epoch=epoch, inputs=inputs, place=place)
            await self._append(fact, f"{name}:progress:{epoch}:{inputs}")

    def _watched(self, sweep: Sweep, rows: Rows, place: Place) -> Around:
        watchdog, session, spec = self._around.watchdog, self._session, self._session.spec
        if watchdog is None:
            return nullcontext
        first = sweep.inputs
        last = first + len(rows) * (ROWS_PER_BAR if rows.dtype == BAR_DTYPE else 1)
        step = Step(spec.session, spec.research, session.engine, session.epoch, first, last, place)
        return lambda: watchdog.step(step)

    async def _end(self, sweep: Sweep, rows: list[SweepRow] | None, place: Place) -> None:
        spec = self._session.spec
        for first in range(0, len(rows or ()), TABLE_ROWS_MAX):
            body = msgspec.Raw(msgspec.json.encode((rows or [])[first : first + TABLE_ROWS_MAX]))
            fact = ResearchCompleted(research=spec.session, kind="sweep", body=body)
            await self._append(fact, f"{spec.session}:results:{first}")
        await self._append(self._ended(sweep, rows, place), f"{spec.session}:ended")

    def _ended(self, sweep: Sweep, rows: list[SweepRow] | None, place: Place) -> SessionEnded:
        spec, whole = self._session.spec, DecisionHash()
        return SessionEnded(
            session=spec.session,
            reason="completed" if rows is not None else "stopped",
            inputs=sweep.inputs,
            place=place,
            decision_hash=whole.hexdigest(),
            counts=whole.counts(),
            equity=max((row.equity for row in rows or ()), default=spec.limits.cash),
            ended_ns=self._around.clock.now_ns(),
        )

    async def _append(self, fact: Fact, message_id: str) -> None:
        name = self._session.spec.session
        subject = subjects.session_fact(name, research=True)
        fence = subjects.session_fence(name, research=True)
        self._last = await self._around.tape.append(
            codec.to_append(fact, subject, message_id, expected=self._last, fence=fence)
        )
