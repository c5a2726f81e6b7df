"""Sending commands: append, wait for the one answer, bounded."""

from __future__ import annotations

import asyncio

from events import codec, subjects
from events.errors import Conflict, InvalidInput, LimitReached, OutcomeUnknown, TapedeckError, Unknown
from events.facts import Command, CommandAccepted, CommandRefused, StartSession
from events.tape import Message, Tail, Tape

ANSWERS = (subjects.DESK, "tape.session.*.fact", "tape.research.*.fact")

# Codes of refusals that are an error class of their own; every other code is an InvalidInput.
REFUSALS: dict[str, type[TapedeckError]] = {
    "NOT_FOUND": Unknown,
    "CONFLICT": Conflict,
    "LIMIT_REACHED": LimitReached,
}


class Commands:
    """Sends commands of this process and hears their answers."""

    def __init__(self, tape: Tape, answer_seconds_max: float) -> None:
        self._tape = tape
        self._seconds = answer_seconds_max
        self._waiting: dict[int, asyncio.Future[tuple[CommandAccepted | CommandRefused, int]]] = {}
        self._early: dict[int, tuple[CommandAccepted | CommandRefused, int]] = {}
        self._sending = 0
        self._tail: Tail | None = None

    async def start(self) -> None:
        """Listen for answers from now on."""
        info = await self._tape.info()
        self._tail = await self._tape.tail(info.last + 1, self._hear, subjects=ANSWERS)

    async def close(self) -> None:
        """Stop listening."""
        if self._tail is not None:
            await self._tail.close()

    async def _hear(self, message: Message) -> None:
        if codec.is_frame(message.body):
            return
        fact = codec.decode(message.body, message.sequence)
        if not isinstance(fact, CommandAccepted | CommandRefused):
            return
        waiting = self._waiting.pop(fact.cause, None)
        if waiting is not None and not waiting.done():
            waiting.set_result((fact, message.sequence))
        elif self._sending:
            self._early[fact.cause] = (fact, message.sequence)

    async def send(self, command: Command) -> tuple[CommandAccepted, int]:
        """The answer to a command, and its sequence.

        Raises:
            Unknown, Conflict, LimitReached, InvalidInput: it was refused.
            OutcomeUnknown: no answer within the bound; repeat with the same key.
        """
        self._sending += 1
        try:
            sequence = await self._tape.append(codec.to_append(command, _subject(command), f"command:{command.key}"))
            answer, at = await self._answer(sequence, command.key)
        finally:
            self._sending -= 1
            if not self._sending:
                self._early.clear()
        if isinstance(answer, CommandRefused):
            raise REFUSALS.get(answer.code, InvalidInput)(answer.message, code=answer.code, field=answer.field)
        return answer, at

    async def _answer(self, sequence: int, key: str) -> tuple[CommandAccepted | CommandRefused, int]:
        if sequence in self._early:
            return self._early.pop(sequence)
        future = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = future
        try:
            return await asyncio.wait_for(future, self._seconds)
        except TimeoutError:
            self._waiting.pop(sequence, None)
            raise OutcomeUnknown(
                f"The command at sequence {sequence} has no answer after {self._seconds:g} s.",
                hint=f"Its outcome is unknown: repeat it with Idempotency-Key {key}.",
            ) from None


def _subject(command: Command) -> str:
    if isinstance(command, StartSession):
        return subjects.DESK_COMMANDS
    return subjects.session_commands(str(getattr(command, "session", "")))
