"""The life of a session as a table, and the fold of its facts.

`TRANSITIONS` is the whole truth; the docs table and a test over every pair are made from it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from events.errors import Bug
from events.facts import (
    CodeChanged,
    Fact,
    Place,
    SessionClaimed,
    SessionEnded,
    SessionFailed,
    SessionProgressed,
    SessionSpec,
    SessionStarted,
    SessionSuspended,
    StepOverran,
)


class SessionState(StrEnum):
    """Where a session is in its life."""

    STARTED = "started"  # exists, nobody runs it yet
    RUNNING = "running"  # claimed by an engine
    SUSPENDED = "suspended"  # waits for `CodeChanged` or a stop
    COMPLETED = "completed"  # its data ended
    STOPPED = "stopped"  # by command
    FAILED = "failed"


OVERRUNS_MAX = 16  # remembered of a session

OVER = frozenset({SessionState.COMPLETED, SessionState.STOPPED, SessionState.FAILED})

# (state, fact) -> state. What is not here cannot happen; meeting it is a bug. Nothing changes a session that is over.
TRANSITIONS: dict[tuple[SessionState, type[Fact]], SessionState] = {
    (SessionState.STARTED, SessionClaimed): SessionState.RUNNING,
    (SessionState.STARTED, SessionEnded): SessionState.STOPPED,  # stopped before anybody claimed it
    (SessionState.RUNNING, SessionClaimed): SessionState.RUNNING,  # taken over after its engine died
    (SessionState.RUNNING, SessionProgressed): SessionState.RUNNING,
    (SessionState.RUNNING, StepOverran): SessionState.RUNNING,  # its process was ended, another may claim it at once
    (SessionState.RUNNING, SessionSuspended): SessionState.SUSPENDED,
    (SessionState.RUNNING, SessionEnded): SessionState.COMPLETED,  # or STOPPED, by its reason
    (SessionState.RUNNING, SessionFailed): SessionState.FAILED,
    (SessionState.SUSPENDED, SessionClaimed): SessionState.SUSPENDED,  # another engine meets the same code
    (SessionState.SUSPENDED, SessionSuspended): SessionState.SUSPENDED,
    (SessionState.SUSPENDED, StepOverran): SessionState.SUSPENDED,  # told late: other code was found meanwhile
    (SessionState.SUSPENDED, CodeChanged): SessionState.RUNNING,
    (SessionState.SUSPENDED, SessionEnded): SessionState.STOPPED,
    (SessionState.SUSPENDED, SessionFailed): SessionState.FAILED,
}


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What the facts of one session add up to."""

    spec: SessionSpec
    started_at: int  # sequence of `SessionStarted`
    after: int  # where a tail's window opens
    state: SessionState = SessionState.STARTED
    engine: str = ""
    epoch: int = 0
    code_hash: str = ""
    found_hash: str = ""  # of the code that suspended it
    last: int = 0  # sequence of the last fact folded
    place: Place = Place()
    inputs: int = 0
    overruns: tuple[StepOverran, ...] = ()  # the newest last

    @property
    def poison(self) -> StepOverran | None:
        """The step that ended a process a second time at the same inputs."""
        for at, one in enumerate(self.overruns):
            if any(_within(one, other) for other in self.overruns[:at]):
                return one
        return None


def _within(one: StepOverran, other: StepOverran) -> bool:
    return other.first_input <= one.first_input and one.last_input <= other.last_input


def begin(fact: SessionStarted, sequence: int) -> Session:
    """A session from its first fact."""
    return Session(
        spec=fact.spec, started_at=sequence, after=fact.after or sequence, code_hash=fact.spec.code_hash, last=sequence
    )


def evolve(session: Session, fact: Fact, sequence: int) -> Session:
    """The session after one more life-cycle fact; facts of no life cycle change nothing, and none behind the end does.

    Raises:
        Bug: a fact that its state does not allow.
    """
    if session.state in OVER or not any(isinstance(fact, kind) for _, kind in TRANSITIONS):
        return session
    try:
        state = TRANSITIONS[session.state, type(fact)]
    except KeyError:
        raise Bug(
            f"Session {session.spec.session} is {session.state} and met {type(fact).__name__} at sequence {sequence}."
        ) from None
    changes: dict[str, Any] = {"state": state, "last": sequence, **_changes(session, fact)}
    return msgspec.structs.replace(session, **changes)


def _changes(session: Session, fact: Fact) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    match fact:
        case SessionClaimed():
            changes |= {"engine": fact.engine, "epoch": fact.epoch}
        case SessionSuspended():
            changes |= {"found_hash": fact.found_hash}
        case CodeChanged():
            changes |= {"code_hash": fact.code_hash}
        case SessionProgressed():
            changes |= {"inputs": fact.inputs, "place": fact.place}
        case SessionEnded():
            over = SessionState.COMPLETED if fact.reason == "completed" else SessionState.STOPPED
            changes |= {"inputs": fact.inputs, "place": fact.place, "state": over}
        case StepOverran():
            changes |= {"overruns": (*session.overruns, fact)[-OVERRUNS_MAX:]}
            if fact.epoch == session.epoch:
                changes |= {"engine": ""}  # it is known to have ended
        case SessionFailed():
            changes |= {"place": fact.at}
    return changes
