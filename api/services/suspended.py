"""Suspended sessions: which code was found."""

from __future__ import annotations

from engine.sessions import history as histories
from events import codec, subjects
from events.errors import Conflict
from events.facts import CodeChanged, SessionEnded, SessionFailed, SessionSuspended
from events.tape import Tape


async def found_code(tape: Tape, session: str, asked: str = "") -> str:
    """The code that suspended a session, and that a user who names one means.

    Raises:
        Unknown: there is no such session.
        Conflict: it is not suspended, or another code was found.
    """
    started, at = await histories.find(tape, session)
    found = ""
    subject = subjects.session_fact(session, research=started.spec.research)
    async for message in tape.read(at, subjects=(subject,)):
        fact = codec.decode(message.body, message.sequence)
        if isinstance(fact, SessionSuspended):
            found = fact.found_hash
        elif isinstance(fact, CodeChanged | SessionEnded | SessionFailed):
            found = ""
    if not found:
        raise Conflict(f"Session {session} is not suspended.", field="session")
    if asked not in ("", found):
        raise Conflict(f"Session {session} met code {found}, not {asked}.", field="code_hash")
    return found
