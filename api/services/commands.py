"""Sending commands: append, wait for the one answer, bounded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from api.lasting import forgiving
from events import codec, subjects
from events.clock import NS_PER_SECOND, Clock, SystemClock
from events.durations import ANSWER_SECONDS, Durations
from events.errors import (
    Conflict,
    InvalidInput,
    LimitReached,
    NotAvailable,
    OutcomeUnknown,
    TapedeckError,
    Unknown,
)
from events.facts import Command, CommandAccepted, CommandRefused
from events.tape import Message, Tail, Tape

ANSWERS = (subjects.DESK, *subjects.AGGREGATES, "tape.session.*.fact", "tape.research.*.fact")
WAITING_MAX = 1_000  # commands of this process without an answer yet

# Codes and kinds of refusals that are an error class of their own; every other one is an InvalidInput.
REFUSALS: dict[str, type[TapedeckError]] = {
    "NOT_FOUND": Unknown,
    "CONFLICT": Conflict,
    "LIMIT_REACHED": LimitReached,
    "NOT_AVAILABLE": NotAvailable,
}

Answer = CommandAccepted | CommandRefused


class Commands:
    """Sends commands of this process and hears their answers.

    Every try is a message of its own, also under the same idempotency key: the key is what makes the answers equal,
    so a repeat is answered however late it comes.
    """

    def __init__(self, tape: Tape, answer_seconds_max: float, clock: Clock | None = None) -> None:
        self._tape = tape
        self._seconds = answer_seconds_max
        self._clock = clock or SystemClock()
        self._waiting: dict[int, asyncio.Future[tuple[Answer, int]]] = {}
        self._early: dict[int, tuple[Answer, int]] = {}
        self._sending = 0
        self.appends = Durations("tapedeck_append_seconds", ANSWER_SECONDS)
        self.answers = Durations("tapedeck_command_answer_seconds", ANSWER_SECONDS)
        self.tail: Tail | None = None

    async def start(self) -> None:
        """Listen for answers from now on."""
        info = await self._tape.info()
        self.tail = await self._tape.tail(info.last + 1, forgiving("answers", self._hear), subjects=ANSWERS)

    async def close(self) -> None:
        """Stop listening."""
        if self.tail is not None:
            await self.tail.close()

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
            Unknown, Conflict, LimitReached, NotAvailable, InvalidInput: it was refused.
            OutcomeUnknown: no answer within the bound; repeat with the same key.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise LimitReached(f"{WAITING_MAX} commands wait for their answers already.")
        self._sending += 1
        try:
            message_id = f"command:{self._clock.new_id()}"
            append = codec.to_append(command, _subject(command), message_id)
            with self._timed(self.appends):
                sequence = await self._tape.append(append)
            with self._timed(self.answers):
                answer, at = await self._answer(sequence)
        finally:
            self._sending -= 1
            if not self._sending:
                self._early.clear()
        if isinstance(answer, CommandRefused):
            raise REFUSALS.get(answer.kind or answer.code, InvalidInput)(
                answer.message, code=answer.code, field=answer.field
            )
        return answer, at

    @contextlib.contextmanager
    def _timed(self, took: Durations) -> Iterator[None]:
        """Note how long what is done in it takes, also where it fails."""
        began = self._clock.monotonic_ns()
        try:
            yield
        finally:
            took.note((self._clock.monotonic_ns() - began) / NS_PER_SECOND)

    async def _answer(self, sequence: int) -> tuple[Answer, int]:
        if sequence in self._early:
            return self._early.pop(sequence)
        future = asyncio.get_running_loop().create_future()
        self._waiting[sequence] = future
        try:
            return await asyncio.wait_for(future, self._seconds)
        except TimeoutError:
            raise OutcomeUnknown(
                f"The command at sequence {sequence} has no answer after {self._seconds:g} s; its outcome is unknown.",
                hint="Repeat it with the same Idempotency-Key.",
            ) from None
        finally:
            self._waiting.pop(sequence, None)


def _subject(command: Command) -> str:
    if command.aggregate == "session":
        return subjects.session_commands(str(getattr(command, "session", "")))
    return subjects.commands(command.aggregate)
