"""Appending exactly once over a log that may lose an answer: send, and when in doubt read back and compare.

A `Log` tries once and says what it knows; here is what to do with that knowledge. A fenced append is safe at any age:
what was stored behind `expected` is either this message or another writer's. An unfenced one is safe only while the
log still recognises its message id, so it is not sent again later than half of that window.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

import msgspec

from events.clock import NS_PER_SECOND, Clock
from events.errors import Conflict, FenceLost, OutcomeUnknown, TapeUnavailable
from events.tape import MESSAGE_ID, Append, Limits, Message

PAUSE_FIRST_SECONDS = 0.01
PAUSE_MAX_SECONDS = 1.0


class Stored(msgspec.Struct, frozen=True):
    """The log's answer: the last sequence of what was stored; `duplicate` if the id was known already."""

    sequence: int
    duplicate: bool = False


class NotSent(Exception):
    """Surely not stored, for a reason that may pass."""


class NoAnswer(Exception):
    """Sent, and nothing came back: stored or not."""


class Stale(Exception):
    """Refused: the fence has moved, or the id is known. `actual` is the fence's last sequence if the log told it."""

    def __init__(self, actual: int | None = None) -> None:
        super().__init__(actual)
        self.actual = actual


class Log(Protocol):
    """One try each. All but `store` and `store_batch` raise `NoAnswer` or `NotSent` where the log does not answer."""

    limits: Limits
    clock: Clock

    @property
    def duplicate_seconds(self) -> float:
        """How long the log recognises a message id."""
        ...

    async def store(self, message: Append) -> Stored:
        """Raises NotSent, NoAnswer, Stale, or an error that no further try mends."""
        ...

    async def store_batch(self, messages: list[Append]) -> Stored:
        """All or none; the sequence is that of the last. Raises as `store`."""
        ...

    async def first_behind(self, subject: str, sequence: int) -> Message | None:
        """The first message of the filter with a greater sequence."""
        ...

    async def newest(self, subject: str) -> Message | None:
        """The last message of the filter."""
        ...

    async def exact(self, sequence: int) -> Message | None:
        """The message at a sequence."""
        ...


async def append(log: Log, message: Append) -> int:
    """Sequence of the message, stored once. Raises as `Tape.append`."""
    return (await append_atomic(log, [message]))[0]


async def append_atomic(log: Log, messages: list[Append]) -> list[int]:
    """Sequences of the messages, stored once and one behind the other. Raises as `Tape.append_atomic`."""
    sent = False
    reason = ""
    for number in _tries(log, fenced=messages[0].expected is not None):
        try:
            stored = await (log.store(messages[0]) if len(messages) == 1 else log.store_batch(messages))
            if not stored.duplicate:
                return _sequences(stored.sequence - len(messages) + 1, messages)
            return await _repeated(log, messages, stored.sequence)
        except Stale as stale:
            if (first := await _settle(log, messages, stale)) is not None:
                return _sequences(first, messages)
            sent, reason = True, "it was refused as stale, and what stands there could not be read"
        except NotSent as error:
            reason = str(error)
        except NoAnswer as error:
            sent, reason = True, str(error)
            if (first := await _look(log, messages)) is not None:
                return _sequences(first, messages)
        await log.clock.sleep(_pause(log, number))
    raise _given_up(messages[0], sent, reason)


async def read(log: Log, ask: Callable[[], Awaitable[Message | None]]) -> Message | None:
    """What one of the log's readings answers, asked again while it does not.

    Raises:
        TapeUnavailable: no answer within the bounds.
    """
    reason = ""
    for number in range(log.limits.append_tries_max):
        try:
            return await ask()
        except (NotSent, NoAnswer) as error:
            reason = str(error)
        await log.clock.sleep(_pause(log, number))
    raise TapeUnavailable(f"The tape cannot be read: {reason}.", hint="See that the tape's server runs.")


def _tries(log: Log, *, fenced: bool) -> Iterator[int]:
    """Numbers of tries; an unfenced append ends with half of the window in which its id is recognised."""
    began = log.clock.monotonic_ns()
    for number in range(log.limits.append_tries_max):
        elapsed = (log.clock.monotonic_ns() - began) / NS_PER_SECOND
        if number and not fenced and elapsed > log.duplicate_seconds / 2:
            return
        yield number


def _pause(log: Log, number: int) -> float:
    last = number + 1 >= log.limits.append_tries_max
    return 0.0 if last else min(PAUSE_FIRST_SECONDS * 2**number, PAUSE_MAX_SECONDS)


async def _settle(log: Log, messages: list[Append], stale: Stale) -> int | None:
    """Sequence of the first message if it was ours that moved the fence; None where nobody could tell.

    Raises:
        FenceLost: it was another's.
    """
    message = messages[0]
    try:
        found = await _stored(log, messages)
    except (NotSent, NoAnswer):
        return None
    if found is not None:
        return found
    if message.expected is None:
        return None  # an id that is known and not the last of its subject: the next try tells
    raise FenceLost(
        f"{message.fence or message.subject} stands at {_shown(stale.actual)}, not at {message.expected}: "
        "another writer has appended there.",
        expected=message.expected,
        actual=stale.actual,
    )


async def _look(log: Log, messages: list[Append]) -> int | None:
    """Sequence of the first message if it is found stored, None where it is not or the log does not answer."""
    try:
        return await _stored(log, messages)
    except (NotSent, NoAnswer):
        return None


async def _stored(log: Log, messages: list[Append]) -> int | None:
    """Sequence of the first message where the whole of it stands on the log; no search behind what fences it."""
    first, last = messages[0], messages[-1]
    if first.expected is not None:
        found = await log.first_behind(first.fence or first.subject, first.expected)
        return found.sequence if found and _same(found, first) else None
    found = await log.newest(last.subject)
    return found.sequence - len(messages) + 1 if found and _same(found, last) else None


async def _repeated(log: Log, messages: list[Append], sequence: int) -> list[int]:
    """The log knew the id: its message must be this one, or rows would be lost without a word."""
    try:
        found = await read(log, lambda: log.exact(sequence))
    except TapeUnavailable:
        raise _given_up(messages[0], True, "its id is known, and what stands there could not be read") from None
    if found is None or not _same(found, messages[-1]):
        raise Conflict(
            f"Message id {messages[-1].message_id} was used before, at sequence {sequence}, with another content.",
            field="message_id",
            hint="An id belongs to one content for ever: make a new one.",
        )
    return _sequences(sequence - len(messages) + 1, messages)


def _same(found: Message, message: Append) -> bool:
    return (
        found.headers.get(MESSAGE_ID) == message.message_id
        and found.subject == message.subject
        and found.body == message.body
    )


def _sequences(first: int, messages: list[Append]) -> list[int]:
    return list(range(first, first + len(messages)))


def _given_up(message: Append, sent: bool, reason: str) -> OutcomeUnknown | TapeUnavailable:
    if sent:
        return OutcomeUnknown(
            f"An append to {message.subject} was sent and neither confirmed nor found: {reason}.",
            hint="Repeat it with the same id.",
        )
    return TapeUnavailable(
        f"Nothing could be appended to {message.subject}: {reason}.", hint="See that the tape's server runs."
    )


def _shown(sequence: int | None) -> str:
    return "another place" if sequence is None else str(sequence)
