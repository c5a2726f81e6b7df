"""What `/ws` tells of sessions: those that somebody started by themselves, none of a job, no sweep, no fork."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

from engine.sessions import history
from events.facts import Fact, SessionEnded, SessionFailed, SessionSpec, SessionStarted
from events.tape import Tape

SESSIONS_MAX = 1_000  # that run, of which it is remembered whose they are
Worded = tuple[str, dict[str, Any]]


class Whose(NamedTuple):
    """What every message of a session says of it, and whether anything is told of it."""

    told: bool
    mode: str
    user: str


class SessionWording:
    """Words the starts and ends of sessions; whose a session is that began unheard is read from the tape once."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._whose: OrderedDict[str, Whose] = OrderedDict()

    async def of(self, fact: Fact) -> Worded | None:
        """The message for a fact; None where nobody is told of it. Raises Unknown, TapeUnavailable."""
        match fact:
            case SessionStarted(spec=spec):
                symbols = [one.symbol for one in spec.instruments]
                return _worded("session_started", spec.session, self._note(spec), {"symbols": symbols})
            case SessionEnded():
                ended: dict[str, Any] = {"reason": fact.reason, "equity": fact.equity}
                return _worded("session_stopped", fact.session, await self._last(fact.session), ended)
            case SessionFailed():
                failed = {"code": fact.code, "message": fact.message}
                return _worded("session_failed", fact.session, await self._last(fact.session), failed)
            case _:
                return None

    def _note(self, spec: SessionSpec) -> Whose:
        whose = self._whose[spec.session] = _whose(spec)
        if len(self._whose) > SESSIONS_MAX:
            self._whose.popitem(last=False)
        return whose

    async def _last(self, session: str) -> Whose:
        """Whose a session is that ends: it is remembered no more."""
        known = self._whose.pop(session, None)
        if known is None:
            started, _ = await history.find(self._tape, session)
            known = _whose(started.spec)
        return known


def _whose(spec: SessionSpec) -> Whose:
    return Whose(not (spec.job or spec.grid or spec.parent), spec.mode, spec.user)


def _worded(kind: str, session: str, whose: Whose, more: dict[str, Any]) -> Worded | None:
    if not whose.told:
        return None
    return kind, {"session_id": session, "session_type": whose.mode, "user": whose.user, **more}
