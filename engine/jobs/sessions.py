"""Sessions that jobs run: started once under the job's own key, followed to their end, stopped with their job."""

from __future__ import annotations

import asyncio

from engine.sessions import history as histories
from events import codec, subjects
from events.clock import Clock
from events.errors import Conflict, InvalidInput, LimitReached
from events.facts import (
    CommandAccepted,
    CommandRefused,
    Fact,
    SessionEnded,
    SessionFailed,
    SessionSpec,
    SessionStarted,
    SessionSuspended,
    StartSession,
    StopSession,
)
from events.tape import Tape

Answer = CommandAccepted | CommandRefused

STARTS_MAX = 60  # tries of one session while as many run as may
LIMIT_REACHED = LimitReached.code


class JobSessions:
    """Fold of the desk's answers and of the sessions that belong to jobs."""

    def __init__(self, tape: Tape, clock: Clock, retry_seconds: float) -> None:
        self._tape = tape
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._answers: dict[str, asyncio.Future[Answer]] = {}  # waited for, by key
        self._ends: dict[str, asyncio.Event] = {}  # waited for, by session
        self.running: dict[str, SessionSpec] = {}  # those of jobs, by session

    def note(self, fact: Fact) -> None:
        """One more fact of the desk or of a session."""
        match fact:
            case CommandAccepted() | CommandRefused():
                waiting = self._answers.get(fact.key)
                if waiting is not None and not waiting.done():
                    waiting.set_result(fact)
            case SessionStarted() if fact.spec.job:
                self.running[fact.spec.session] = fact.spec
            case SessionEnded() | SessionFailed() | SessionSuspended():
                self._end(fact.session, over=not isinstance(fact, SessionSuspended))
            case _:
                pass

    def known(self) -> tuple[SessionSpec, ...]:
        """What is kept of it: those that run."""
        return tuple(self.running.values())

    def restore(self, known: tuple[SessionSpec, ...]) -> None:
        """Know these."""
        self.running = {spec.session: spec for spec in known}

    def _end(self, session: str, *, over: bool) -> None:
        if over:
            self.running.pop(session, None)
        if session in self._ends:
            self._ends[session].set()

    def of(self, job: str) -> list[str]:
        """Sessions of a job that are not over."""
        return [name for name, spec in self.running.items() if spec.job == job]

    # --- commands -------------------------------------------------------------------------------------------------

    async def start(self, spec: SessionSpec) -> None:
        """Start a session, or find that an earlier run of its job did.

        Raises:
            LimitReached: as many sessions run as may, for a long time.
            Conflict, InvalidInput: the desk refuses.
        """
        for number in range(STARTS_MAX):
            key = f"job:{spec.job}:{spec.session}:{number}"
            answer = await self._ask(StartSession(key=key, user=spec.user, spec=spec), subjects.DESK_COMMANDS)
            if isinstance(answer, CommandAccepted):
                return
            if answer.code == Conflict.code and await self._is_ours(spec):
                return  # an earlier run of the job started it, and the desk has forgotten the key
            if answer.code != LIMIT_REACHED:
                kind = Conflict if answer.code == Conflict.code else InvalidInput
                raise kind(answer.message, code=answer.code, field=answer.field)
            await self._clock.sleep(self._retry_seconds)
        raise LimitReached(f"Session {spec.session} could not begin: as many run as sessions_max allows.")

    async def _is_ours(self, spec: SessionSpec) -> bool:
        """Whether the session that exists under this id is the job's own."""
        started, _ = await histories.find(self._tape, spec.session)
        return started.spec.job == spec.job

    async def _ask(self, command: StartSession, subject: str) -> Answer:
        waiting = self._answers.setdefault(command.key, asyncio.get_running_loop().create_future())
        try:
            await self._tape.append(codec.to_append(command, subject, f"command:{self._clock.new_id()}"))
            return await waiting
        finally:
            del self._answers[command.key]

    async def stop(self, session: str) -> None:
        """Ask a session of a job that is over to stop; asking again changes nothing."""
        spec = self.running[session]
        command = StopSession(key=f"job:{spec.job}:stop:{session}", user=spec.user, session=session)
        await self._tape.append(
            codec.to_append(command, subjects.session_commands(session), f"command:{self._clock.new_id()}")
        )

    # --- the end --------------------------------------------------------------------------------------------------

    def watch(self, session: str) -> asyncio.Event:
        """Set when the session ends, fails or is suspended from now on; `unwatch` it."""
        return self._ends.setdefault(session, asyncio.Event())

    def unwatch(self, session: str) -> None:
        """No longer."""
        self._ends.pop(session, None)
