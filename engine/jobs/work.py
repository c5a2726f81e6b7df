"""What a job works with: its own body and steps, the library, and sessions that it starts and follows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from engine.jobs.life import Job
from engine.jobs.sessions import JobSessions
from engine.jobs.steps import Steps
from engine.loop.before_start import code_with_start
from engine.recordings.reading import rows_of_message
from engine.research.sweep_table import table
from engine.research.sweeping import SweepRow
from engine.sessions import history as histories
from engine.sessions.history import History
from engine.sessions.life import OVER, Session, SessionState
from engine.sessions.plan import Library, SessionWish, plan
from engine.sessions.runner import Surroundings
from engine.sessions.source_bars import check_bars
from engine.strategies.strategy import Strategy
from events import codec, decisions, subjects
from events.errors import Bug, TapedeckError
from events.facts import (
    Place,
    SessionEnded,
    SessionFailed,
    SessionProgressed,
    SessionSpec,
)
from events.tape import Tape

FOLLOW_SECONDS = 1.0  # between looks at how far a session is
CODE_DIGITS = 8  # of the code hash in the name of a session that was begun anew

T = TypeVar("T")
Share = tuple[float, float]  # of the job's progress: from, to


class SessionBroke(TapedeckError):
    """A session of the job failed, was stopped, or waits for a decision; `code` is the session's own."""

    code = "SESSION_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What all jobs of a worker share. `library` is as of at least the tape's end when it is asked."""

    around: Surroundings
    strategies: Mapping[str, Strategy]
    library: Callable[[], Awaitable[Library]]
    sessions: JobSessions


class Work:
    """One job under one claim. What is done twice, after a worker died, must be the same: ids come from the job's."""

    def __init__(self, job: Job, tools: Tools, steps: Steps) -> None:
        self.job = job
        self.tools = tools
        self.detail: msgspec.Raw | None = None  # JSON of the kind's own figures, told with its progress
        self._steps = steps
        self._doing = job.queued.title

    @property
    def tape(self) -> Tape:
        """The tape."""
        return self.tools.around.tape

    def has(self, figures: msgspec.Struct) -> None:
        """Figures of the job's kind, told with its progress from now on."""
        self.detail = msgspec.Raw(msgspec.json.encode(figures))

    async def progress(self, ratio: float, description: str = "") -> None:
        """Tell how far the job is, 0 to 1, and what it does now; as often as you like, little of it is written."""
        self._doing = description or self._doing
        await self._steps.progress(ratio, self._doing, self.detail)

    async def during(self, call: Awaitable[T], done: Callable[[], float], description: str) -> T:
        """What a call comes to. Tells meanwhile how far it says it is, 0 to 1."""
        task = asyncio.ensure_future(call)
        try:
            while not task.done():
                await self.progress(done(), description)
                await asyncio.wait((task,), timeout=FOLLOW_SECONDS)
            return await task
        finally:
            task.cancel()

    def session_name(self, part: str = "") -> str:
        """The id of a session of this job: the job's own, and a part where it has several."""
        return f"{self.job.id}_{part}" if part else self.job.id

    async def plan(self, wish: SessionWish, part: str = "", *, trade_from_ns: int = 0) -> SessionSpec:
        """A session of this job, under a name of its own where other code began the one of this name and ended it not.

        `trade_from_ns`: see `engine.loop.before_start`.

        Raises:
            InvalidInput, Unknown, Conflict, NotAvailable: see `engine.sessions.plan`.
        """
        library = await self.tools.library()
        spec = plan(wish, self.session_name(part), self.job.queued.user, library)
        await check_bars(self.tape, spec, library)
        given = msgspec.structs.replace(spec.input, trade_from_ns=trade_from_ns)
        code_hash = code_with_start(spec.code_hash, trade_from_ns)
        spec = msgspec.structs.replace(spec, input=given, code_hash=code_hash, job=self.job.id)
        return await self._under_this_code(spec)

    async def _under_this_code(self, spec: SessionSpec) -> SessionSpec:
        """What another release began for the job is begun anew, once: the name is made of the code. What it ended
        stands; what it left is stopped when the job is over.
        """
        begun = await self._life(spec)
        if begun is None or begun.state in OVER or begun.spec.job != self.job.id:
            return spec
        if begun.spec.code_hash == spec.code_hash and begun.state is not SessionState.SUSPENDED:
            return spec
        return msgspec.structs.replace(spec, session=f"{spec.session}_{spec.code_hash[:CODE_DIGITS]}")

    async def _life(self, spec: SessionSpec) -> Session | None:
        """Of a session of this name. Its newest fact need not be of it: verdicts and answers stand behind an end."""
        return await histories.life(self.tape, spec.session, research=spec.research)

    async def run(self, spec: SessionSpec, share: Share = (0.0, 1.0)) -> History:
        """Run a planned session to its end, once however often this is called; everything that it decided.

        Raises:
            SessionBroke: it failed, was stopped or suspended.
            LimitReached, Conflict, InvalidInput: it was not started.
        """
        sessions = self.tools.sessions
        ended = sessions.watch(spec.session)
        try:
            await sessions.start(spec)
            while not await self._is_over(spec, ended):
                await self._follow(spec, ended, share)
        finally:
            sessions.unwatch(spec.session)
        return await histories.read(self.tape, spec.session)

    async def _is_over(self, spec: SessionSpec, ended: asyncio.Event) -> bool:
        """Whether it ran to its end. What happens from now on sets `ended`. Raises SessionBroke."""
        ended.clear()
        life = await self._life(spec)
        if life is not None and life.state is SessionState.SUSPENDED:
            message = f"Session {spec.session} was begun under other code than it met. Ask for the job again."
            raise SessionBroke(message, code="OTHER_CODE")
        if life is None or life.state not in OVER:
            return False
        message_of_end = await self.tape.get(life.last)
        assert message_of_end is not None, "it was read just now"
        match codec.decode(message_of_end.body, life.last):
            case SessionFailed() as fact:
                raise SessionBroke(fact.message, code=fact.code)
            case SessionEnded() as fact if fact.reason != "completed":
                raise SessionBroke(f"Session {spec.session} was {fact.reason}.", code="SESSION_STOPPED")
            case _:
                return True

    async def table(self, session: str) -> list[SweepRow]:
        """The table of an ended sweep. Raises Bug."""
        found = await table(self.tape, session)
        if not found:
            raise Bug(f"Session {session} ended without a table.")
        return found

    async def _follow(self, spec: SessionSpec, ended: asyncio.Event, share: Share) -> None:
        """Until something of the session's life happens; tells how far it is meanwhile."""
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), FOLLOW_SECONDS)
            if not ended.is_set():
                done = await self._done(spec)
                await self.progress(share[0] + (share[1] - share[0]) * done)

    async def _done(self, spec: SessionSpec) -> float:
        """Share of the window that it has told to have read, or that its newest decision lies behind."""
        window, at = spec.input, await self._read_to(spec)
        if window.first is None or window.last is None or at < window.first:
            return 0.0
        if window.first.sequence == window.last.sequence:
            return (at.index - window.first.index + 1) / (window.last.index - window.first.index + 1)
        read = at.sequence - window.first.sequence + (at.index + 1) / await self._rows_in(spec, at.sequence)
        return read / (window.last.sequence - window.first.sequence + 1)

    async def _rows_in(self, spec: SessionSpec, sequence: int) -> int:
        """How many rows a message of the window holds, up to the window's end."""
        window = spec.input
        if window.last is not None and sequence == window.last.sequence:
            return window.last.index + 1
        page = await self.tape.page(sequence, subjects=(subjects.market(window.source),), limit=1)
        return sum(len(one.rows) for message in page.messages for one in rows_of_message(message, Place())) or 1

    async def _read_to(self, spec: SessionSpec) -> Place:
        """The newest row that is known to be read; before all where none is."""
        decided = await self.tape.last(subjects.session_decision(spec.session, research=spec.research))
        told = await self.tape.last(subjects.session_fact(spec.session, research=spec.research))
        fact = codec.decode(told.body, told.sequence) if told else None
        return max(
            decisions.from_message(decided).cause if decided else Place(),
            fact.place if isinstance(fact, SessionProgressed) else Place(),
        )
