"""Everything the tape says of one session: for recovery, verification, forks and exports."""

from __future__ import annotations

import msgspec

from engine.sessions.life import Session, begin, evolve
from engine.sessions.outputs import Held
from events import codec, decisions, subjects
from events.errors import Unknown
from events.facts import (
    CodeChanged,
    Command,
    CommandAccepted,
    CommandRefused,
    Fact,
    SessionEnded,
    SessionFailed,
    SessionProgressed,
    SessionStarted,
)
from events.tape import Message, Tape


class Scheduled(msgspec.Struct, frozen=True):
    """A command that was carried out, and before which session input it acted."""

    effective_input: int
    sequence: int
    command: Command


class Told(msgspec.Struct, frozen=True):
    """How many inputs a session had surely read, and the instant at which it told so (ns UTC)."""

    inputs: int
    at_ns: int


class History(msgspec.Struct):
    """A session's own messages from a sequence on."""

    started: SessionStarted
    started_at: int
    held: Held
    scheduled: list[Scheduled]
    answered: dict[int, CommandAccepted | CommandRefused]  # by the command's sequence
    ended: SessionEnded | None = None
    changes: list[CodeChanged] = msgspec.field(default_factory=list)
    failed: SessionFailed | None = None
    told: Told | None = None


async def find(tape: Tape, session: str) -> tuple[SessionStarted, int]:
    """The start of a session and its sequence.

    Raises:
        Unknown: the tape has no such session.
    """
    for research in (False, True):
        subject = subjects.session_fact(session, research=research)
        page = await tape.page(1, subjects=(subject,), limit=1)
        for message in page.messages:
            fact = codec.decode(message.body, message.sequence)
            if isinstance(fact, SessionStarted):
                return fact, message.sequence
    raise Unknown(f"There is no session {session!r} on this tape.", field="session")


async def life(tape: Tape, session: str, *, research: bool) -> Session | None:
    """A session as the facts of its life add up, whatever else stands between and behind them; None: there is none."""
    found: Session | None = None
    async for message in tape.read(subjects=(subjects.session_fact(session, research=research),)):
        fact = codec.decode(message.body, message.sequence)
        if isinstance(fact, SessionStarted):
            found = begin(fact, message.sequence)
        elif found is not None and isinstance(fact, Fact):
            found = evolve(found, fact, message.sequence)
    return found


async def read(tape: Tape, session: str, *, decided_after: int = 0) -> History:
    """The whole history; decision messages only behind `decided_after`. Raises Unknown."""
    started, started_at = await find(tape, session)
    history = History(started, started_at, Held(), _given(started), {})
    commands: dict[int, Command] = {}
    research = started.spec.research
    wanted = (subjects.session_fact(session, research=research), subjects.session_commands(session))
    first = min(started_at, started.after + 1)  # a command may stand between a start and its answer
    async for message in tape.read(first, subjects=wanted):
        body = codec.decode(message.body, message.sequence)
        if isinstance(body, Command):
            commands[message.sequence] = body
        else:
            _note(history, body, commands)
            if isinstance(body, SessionProgressed):
                history.told = Told(body.inputs, message.appended_ns)
    decided = subjects.session_decision(session, research=research)
    last: Message | None = None
    async for message in tape.read(max(started_at, decided_after + 1), subjects=(decided,)):
        history.held.add(message)
        last = message
    if last is not None:
        inputs = decisions.from_message(last).inputs
        if history.told is None or history.told.inputs < inputs:
            history.told = Told(inputs, last.appended_ns)
    history.scheduled.sort(key=lambda one: (one.effective_input, one.sequence))  # a fork's own keep their order
    return history


def _given(started: SessionStarted) -> list[Scheduled]:
    """Commands that a fork brings along; they have no sequence of their own."""
    found = []
    for inputs, text in started.spec.commands:
        command = codec.decode(text.encode())
        assert isinstance(command, Command), "a fork brings commands only"
        found.append(Scheduled(inputs, 0, command))
    return found


def _note(history: History, fact: Fact, commands: dict[int, Command]) -> None:
    match fact:
        case CommandAccepted() | CommandRefused():
            history.answered[fact.cause] = fact
            if isinstance(fact, CommandAccepted) and fact.changed and fact.effective_input is not None:
                command = commands[fact.cause]
                history.scheduled.append(Scheduled(fact.effective_input, fact.cause, command))
        case CodeChanged():
            history.changes.append(fact)
        case SessionEnded():
            history.ended = fact
        case SessionFailed():
            history.failed = fact
        case _:
            pass
