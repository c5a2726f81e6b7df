"""Answers to commands: how they are made, and the newest by idempotency key, so that a repeat is answered the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from events.facts import Command, CommandAccepted, CommandRefused

Answer = CommandAccepted | CommandRefused
Why = tuple[str, str, str | None]  # code, message, field

KEY_USED: Why = (
    "KEY_USED",
    "This idempotency key was used for another request; nothing was done. Send this one under a key of its own.",
    "Idempotency-Key",
)


class Answers:
    """At most `keys_max` answers; the oldest key is forgotten first. The first answer to a key is the one kept."""

    def __init__(self, keys_max: int) -> None:
        self._keys_max = keys_max
        self._by_key: OrderedDict[str, Answer] = OrderedDict()

    def note(self, answers: Iterable[Answer]) -> None:
        """Further answers, in order of their commands."""
        for answer in answers:
            self._by_key.setdefault(answer.key, answer)
            if len(self._by_key) > self._keys_max:
                self._by_key.popitem(last=False)

    def again(self, command: Command, sequence: int) -> Answer | None:
        """The answer to a command whose key is known, which changes nothing; None where it is not.

        A key that was given with another request is refused: whoever sent it would take the old answer for its own.
        """
        known = self._by_key.get(command.key)
        if known is None:
            return None
        if command.asked and known.asked and command.asked != known.asked:
            return refused(command, sequence, known.session, KEY_USED, kind="CONFLICT")
        if isinstance(known, CommandAccepted):
            return msgspec.structs.replace(known, cause=sequence, changed=False, effective_input=None)
        return msgspec.structs.replace(known, cause=sequence)

    def known(self) -> tuple[Answer, ...]:
        """All of them, the oldest first."""
        return tuple(self._by_key.values())


def accepted(
    command: Command, sequence: int, session: str = "", *, effective_input: int | None = None, changed: bool = True
) -> CommandAccepted:
    """A command is carried out, or finds everything so already."""
    return CommandAccepted(
        key=command.key,
        cause=sequence,
        session=session,
        effective_input=effective_input,
        changed=changed,
        asked=command.asked,
    )


def refused(command: Command, sequence: int, session: str, why: Why, kind: str = "") -> CommandRefused:
    """A command is not carried out; `kind` is the class of the refusal where its code is a word of its own."""
    code, message, field = why
    return CommandRefused(
        key=command.key,
        cause=sequence,
        session=session,
        code=code,
        message=message,
        field=field,
        kind=kind,
        asked=command.asked,
    )
