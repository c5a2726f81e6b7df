"""The desk: the one aggregate that decides what runs.

Fold: commands, answers and life-cycle facts of all sessions. Decisions: `decide(command)` gives the answer and what
follows from it, and nothing else. Any number of processes may fold the same tape and propose the same answer: the
fence on `tape.desk` lets one through, and the message id of an answer is made of its command's sequence.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import msgspec

from engine.answers import Answer, Answers, accepted, refused
from engine.sessions.endings import REPLACING
from engine.sessions.life import OVER, Session, SessionState, begin, evolve
from engine.sessions.suspension import Release, release
from events import codec
from events.facts import (
    ChooseSession,
    ChooseSessions,
    Command,
    CommandAccepted,
    CommandRefused,
    Fact,
    NoteVerification,
    SessionStarted,
    SessionVerified,
    StartSession,
    StopSession,
)

TRADING = ("live", "paper")  # modes that hold positions in a market that goes on


class DeskLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named maxima of the desk."""

    sessions_max: int = 64  # running at once, all users
    keys_max: int = 10_000  # idempotency keys remembered
    chosen_max: int = 64  # sessions of one `ChooseSessions`, in order of start; of every mode live and paper first
    ended_max: int = 50_000  # sessions that are over, of which only the state is remembered


class Ended(NamedTuple):
    """What is remembered of a session that is over."""

    state: SessionState
    research: bool


class Outcome(msgspec.Struct, frozen=True):
    """What one command leads to: its answer, a session, and commands to sessions it replaces."""

    answer: Answer
    started: SessionStarted | None = None
    stops: tuple[StopSession, ...] = ()
    unrun: Session | None = None  # the session that this is about, and on whose subject it belongs
    release: Release | None = None
    verified: SessionVerified | None = None


class DeskState(msgspec.Struct, frozen=True):
    """All that a desk knows."""

    sessions: tuple[Session, ...]
    running: tuple[str, ...]
    ended: dict[str, Ended]
    answers: tuple[Answer, ...]
    open: tuple[tuple[int, msgspec.Raw], ...]
    last_answer: int
    coming: tuple[str, ...]


class Desk:
    """State of the desk. `evolve` never fails but on a fact that cannot be; `decide` is pure."""

    def __init__(self, limits: DeskLimits | None = None) -> None:
        self.limits = limits or DeskLimits()
        self.sessions: dict[str, Session] = {}  # that are not over
        self.ended: OrderedDict[str, Ended] = OrderedDict()  # the newest that are
        self.running: dict[str, None] = {}  # ids in order of start
        self.answers = Answers(self.limits.keys_max)
        self.open: OrderedDict[int, Command] = OrderedDict()  # unanswered, by sequence
        self.last_answer = 0  # last sequence on the desk's own subject
        self._coming: dict[str, None] = {}  # sessions whose start was accepted and whose first fact is not folded yet

    # --- evolve ---------------------------------------------------------------------------------------------------

    def note_command(self, command: Command, sequence: int) -> None:
        """A command appeared on the tape."""
        self.open[sequence] = command

    def note_fact(self, fact: Fact, sequence: int) -> None:
        """A fact of the desk or of a session appeared on the tape."""
        match fact:
            case CommandAccepted() | CommandRefused():
                self._note_answer(fact)
            case SessionStarted() if self._has(fact.spec.session):
                pass  # folded when it was decided here
            case SessionStarted():
                self._coming.pop(fact.spec.session, None)
                self.sessions[fact.spec.session] = begin(fact, sequence)
                self.running[fact.spec.session] = None
            case _:
                self._note_life(fact, sequence)

    def _note_answer(self, answer: Answer) -> None:
        command = self.open.pop(answer.cause, None)
        begins = isinstance(command, StartSession) and isinstance(answer, CommandAccepted) and answer.changed
        if begins and answer.session and answer.session not in self.sessions:
            self._coming[answer.session] = None
        self.answers.note((answer,))

    def _note_life(self, fact: Fact, sequence: int) -> None:
        session = self.sessions.get(getattr(fact, "session", ""))
        if session is None:
            return
        session = evolve(session, fact, sequence)
        self.sessions[session.spec.session] = session
        if session.state in OVER:
            self._forget(session)

    def _forget(self, session: Session) -> None:
        name = session.spec.session
        del self.sessions[name]
        self.running.pop(name, None)
        self.ended[name] = Ended(session.state, session.spec.research)
        while len(self.ended) > self.limits.ended_max:
            self.ended.popitem(last=False)

    def _has(self, name: str) -> bool:
        return name in self.sessions or name in self.ended

    # --- memory ---------------------------------------------------------------------------------------------------

    def known(self) -> DeskState:
        """All of it as it is now: `ended` is no copy, which takes longer than to write it down."""
        return DeskState(
            sessions=tuple(self.sessions.values()),
            running=tuple(self.running),
            ended=self.ended,
            answers=self.answers.known(),
            open=tuple((at, msgspec.Raw(codec.encode(command))) for at, command in self.open.items()),
            last_answer=self.last_answer,
            coming=tuple(self._coming),
        )

    def restore(self, known: DeskState) -> None:
        """Be as one that knew this and nothing else."""
        self.sessions = {one.spec.session: one for one in known.sessions}
        self.running = dict.fromkeys(known.running)
        self.ended = OrderedDict(known.ended)
        self.answers.note(known.answers)
        self.open = OrderedDict((at, _command(bytes(body), at)) for at, body in known.open)
        self.last_answer = known.last_answer
        self._coming = dict.fromkeys(known.coming)

    # --- decide ---------------------------------------------------------------------------------------------------

    def due(self) -> list[tuple[int, Command]]:
        """Open commands that the desk itself answers: starts, and whatever is meant for a session that nobody runs.

        None between the answer to a start and the session's first fact, which stand in one batch on the tape: who has
        folded the one without the other would say that there is no such session.
        """
        if self._coming:
            return []
        return [(sequence, command) for sequence, command in self.open.items() if self._is_ours(command)]

    def _is_ours(self, command: Command) -> bool:
        if isinstance(command, StartSession | ChooseSession | ChooseSessions):
            return True
        return getattr(command, "session", "") not in self.sessions or self._unrun(command) is not None

    def decide(self, command: Command, sequence: int) -> Outcome:
        """The one answer to a command, and what follows from it."""
        session = self._unrun(command)
        if (again := self.answers.again(command, sequence)) is not None:
            return Outcome(again, unrun=session)
        if isinstance(command, StartSession):
            return self._start(command, sequence)
        if isinstance(command, ChooseSession):
            return self._choose(command, sequence)
        if isinstance(command, ChooseSessions):
            chosen = tuple(one.spec.session for one in self._chosen(command))
            answer = accepted(command, sequence, changed=False)
            return Outcome(msgspec.structs.replace(answer, id=command.mode, sessions=chosen[: self.limits.chosen_max]))
        if session is not None:
            found = release(command, session, sequence)
            return Outcome(found.answer, unrun=session, release=found)
        return self._late(command, sequence)

    def _unrun(self, command: Command) -> Session | None:
        """The session of a command, where nobody runs it: it is suspended, or waits to be claimed and is to stop."""
        session = self.sessions.get(getattr(command, "session", ""))
        if session is None:
            return None
        waits = session.state is SessionState.STARTED and isinstance(command, StopSession)
        return session if waits or session.state is SessionState.SUSPENDED else None

    def _start(self, command: StartSession, sequence: int) -> Outcome:
        spec = command.spec
        if command.idempotent and (same := self._same(command)):
            return Outcome(accepted(command, sequence, same, changed=False))
        if self._has(spec.session):
            return Outcome(_refused(command, sequence, "CONFLICT", f"Session {spec.session} exists.", "session"))
        replaced = tuple(self._replaced(command, sequence))
        running = sum(self.sessions[name].state is not SessionState.SUSPENDED for name in self.running)
        if running - len(replaced) >= self.limits.sessions_max:
            message = f"{running} sessions run; sessions_max is {self.limits.sessions_max}. Stop one first."
            return Outcome(_refused(command, sequence, "LIMIT_REACHED", message, None))
        answer = accepted(command, sequence, spec.session)
        answer = msgspec.structs.replace(answer, sessions=tuple(one.session for one in replaced))
        return Outcome(answer, SessionStarted(spec=spec), replaced)

    def _choose(self, command: ChooseSession, sequence: int) -> Outcome:
        for name in reversed(self.running):
            session = self.sessions[name]
            numbers = {terms.number for terms in session.spec.instruments if terms.symbol == command.symbol}
            trades = command.instrument in numbers if command.instrument else bool(numbers)
            mine = session.spec.user == command.user and session.spec.mode == "paper" and not session.spec.research
            if mine and session.state is SessionState.RUNNING and trades:
                return Outcome(accepted(command, sequence, name, changed=False))
        message = f"No running paper session of yours trades {command.symbol[:64]!r}."
        why = ("NO_RUNNING_SESSION", message, None)
        return Outcome(refused(command, sequence, "", why, kind="CONFLICT"))

    def _chosen(self, command: ChooseSessions) -> list[Session]:
        if not command.every:
            return self._of_user(command.user, command.mode)
        every = [self.sessions[name] for name in self.running]
        mine = [one for one in every if one.spec.user == command.user and not one.spec.job]
        return sorted(mine, key=lambda one: one.spec.mode not in TRADING)  # the others may be left to a second stop

    def _of_user(self, user: str, mode: str) -> list[Session]:
        """Sessions of a user and mode that were started by themselves: none of a job, no sweep, no fork."""
        sessions = (self.sessions[name].spec for name in self.running)
        return [
            self.sessions[spec.session]
            for spec in sessions
            if spec.user == user and spec.mode == mode and not (spec.job or spec.grid or spec.parent)
        ]

    def _same(self, command: StartSession) -> str | None:
        for session in self._of_user(command.user, command.spec.mode):
            if session.state is SessionState.SUSPENDED:
                continue  # it does not run
            if session.spec.body_hash and session.spec.body_hash == command.spec.body_hash:
                return session.spec.session
        return None

    def _replaced(self, command: StartSession, sequence: int) -> list[StopSession]:
        if not command.replaces:
            return []
        return [
            StopSession(
                key=f"{REPLACING}{sequence}-{session.spec.session}", user=command.user, session=session.spec.session
            )
            for session in self._of_user(command.user, command.spec.mode)
        ]

    def _late(self, command: Command, sequence: int) -> Outcome:
        name = getattr(command, "session", "")
        ended = self.ended.get(name)
        if ended is None:
            return Outcome(_refused(command, sequence, "NOT_FOUND", f"There is no session {name!r}.", "session"))
        if isinstance(command, StopSession):
            return Outcome(accepted(command, sequence, name, changed=False))
        if isinstance(command, NoteVerification):
            return Outcome(accepted(command, sequence, name), verified=_verified(command))
        message = f"Session {name} is {ended.state}; it takes no more commands."
        return Outcome(_refused(command, sequence, "CONFLICT", message, "session"))


def _command(body: bytes, sequence: int) -> Command:
    command = codec.decode(body, sequence)
    assert isinstance(command, Command), "only commands wait"
    return command


def _refused(command: Command, sequence: int, code: str, message: str, field: str | None) -> CommandRefused:
    return refused(command, sequence, getattr(command, "session", ""), (code, message, field))


def _verified(command: NoteVerification) -> SessionVerified:
    return SessionVerified(
        session=command.session,
        equal=command.equal,
        decision_hash=command.decision_hash,
        rows=command.rows,
        detail=command.detail,
    )
