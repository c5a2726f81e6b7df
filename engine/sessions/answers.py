"""The newest answers by idempotency key: a repeat is answered as the first time, however late it comes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from events.facts import Command, CommandAccepted, CommandRefused

Answer = CommandAccepted | CommandRefused


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

    def again(self, key: str, sequence: int) -> Answer | None:
        """The answer to another command with a key, which changes nothing; None where the key is not remembered."""
        known = self._by_key.get(key)
        if isinstance(known, CommandAccepted):
            return msgspec.structs.replace(known, cause=sequence, changed=False, effective_input=None)
        return known and msgspec.structs.replace(known, cause=sequence)

    def known(self) -> tuple[Answer, ...]:
        """All of them, the oldest first."""
        return tuple(self._by_key.values())


def refused(command: Command, sequence: int, session: str, why: tuple[str, str, str | None]) -> CommandRefused:
    """The refusal of a command; `why` is its code, message and field."""
    code, message, field = why
    return CommandRefused(key=command.key, cause=sequence, session=session, code=code, message=message, field=field)
