"""Suspended sessions: recovery met another code, and nobody runs them. The desk answers for them.

A stop ends such a session with what its log holds; positions stay open, since no loop is there to close them. A
`ChangeCode` that names the code that was found lets it go on from its newest snapshot. The answers stand on the
session's own subject, under its own fence, so that whoever runs it next knows them.
"""

from __future__ import annotations

import msgspec

from engine.answers import accepted, refused
from engine.sessions.life import Session
from events.facts import ChangeCode, CodeChanged, Command, CommandAccepted, CommandRefused, StopSession


class Release(msgspec.Struct, frozen=True):
    """The answer to a command to a suspended session, and what follows: it ends, or goes on under another code."""

    answer: CommandAccepted | CommandRefused
    ends: bool = False
    changed: CodeChanged | None = None


def release(command: Command, session: Session, sequence: int) -> Release:
    """What a command to a suspended session leads to. Pure."""
    name = session.spec.session
    yes = accepted(command, sequence, name)
    if isinstance(command, StopSession):
        return Release(yes, ends=True)
    if isinstance(command, ChangeCode) and command.code_hash == session.found_hash:
        fact = CodeChanged(session=name, code_hash=command.code_hash, inputs=session.inputs, user=command.user)
        return Release(yes, changed=fact)
    message = (
        f"Session {name} is suspended: it ran under code {session.code_hash}, and {session.found_hash} was found. "
        "Let it go on under that, or stop it."
    )
    field = "code_hash" if isinstance(command, ChangeCode) else "session"
    return Release(refused(command, sequence, name, ("CONFLICT", message, field)))
