"""What a projection gets: events in the tape's order, each decoded once for all projections of a tail."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from events import codec, decisions, frames, subjects
from events.errors import Bug, TapeRefused, Undecodable
from events.facts import Command, Fact
from events.frames import Section
from events.stack import Stack
from events.tape import MESSAGE_ID, Message


class Decided(msgspec.Struct, frozen=True, gc=False):
    """A decision; its sections are in `Batch.decisions`."""

    session: str
    frame: int


Body = Fact | Command | Decided | tuple[Section, ...]

_DIGEST_BYTES = 16


class TapeGap(TapeRefused):
    """Events are missing between what was applied and what came."""

    code = "TAPE_GAP"


class Event(msgspec.Struct, frozen=True):
    """One message, decoded. `body` is a fact, a command, a decision, or the sections of a market frame."""

    sequence: int
    subject: str
    appended_ns: int
    body: Body


class Checkpoint(msgspec.Struct, frozen=True):
    """How far a projection has applied, and of which tape.

    `sequence` is of the last event applied, 0 before the first; `digest` is of that event's message, so that a tape
    which lost it and gave its sequence to another is noticed.
    """

    epoch: str = ""
    sequence: int = 0
    digest: str = ""


class Batch(msgspec.Struct, frozen=True):
    """Consecutive events of a filter. All that the filter matches behind `after` up to the last event is here."""

    after: int
    events: Sequence[Event]
    checkpoint: Checkpoint  # the one to store when the batch is applied
    decisions: Stack = Stack()  # sections of the decisions in `events`, and perhaps of others


class Decoded(NamedTuple):
    """Messages decoded up to the first that cannot be."""

    events: list[Event]
    decisions: Stack
    failure: Undecodable | None  # of that one, with its sequence


def decode(messages: Sequence[Message]) -> Decoded:
    """The events in messages of the tape, decisions all at once."""
    sessions, stack = decisions.stacked([message for message in messages if _is_decision(message)])
    decided = map(Decided, sessions, range(len(sessions)))
    events: list[Event] = []
    for message in messages:
        try:
            body = (next(decided, None) if _is_decision(message) else None) or _body(message)
        except Undecodable as failure:
            return Decoded(events, stack, failure)
        events.append(Event(message.sequence, message.subject, message.appended_ns, body))
    return Decoded(events, stack, None)


def _is_decision(message: Message) -> bool:
    return message.subject.endswith(".decision") and codec.is_frame(message.body)


def _body(message: Message) -> Body:
    try:
        if not codec.is_frame(message.body):
            return codec.decode(message.body, message.sequence)
        if not message.subject.endswith(".decision"):
            return tuple(frames.decode(message.body, message.sequence))
        decisions.from_message(message)
    except (ValueError, TypeError, KeyError, OverflowError, msgspec.MsgspecError) as error:
        raise Undecodable(f"Message {message.sequence}: {error}.", sequence=message.sequence) from error
    raise Bug(f"Message {message.sequence} is a decision alone, and none among others.")


def digest_of(message: Message) -> str:
    """Hex BLAKE2b over subject, message id and body of a message."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in (message.subject, message.headers.get(MESSAGE_ID, "")):
        digest.update(part.encode() + b"\0")
    digest.update(message.body)
    return digest.hexdigest()


def wants(patterns: Iterable[str], subject: str) -> bool:
    """Whether one of the filters matches a subject."""
    return any(subjects.matches(pattern, subject) for pattern in patterns)


def check_follows(name: str, checkpoint: int, batch: Batch) -> None:
    """A batch starts at the checkpoint and ascends.

    Raises:
        TapeGap: it starts elsewhere, or its sequences do not ascend.
    """
    if batch.after != checkpoint:
        raise TapeGap(
            f"{name} stands at {checkpoint}, and the next batch starts behind {batch.after}.",
            sequence=checkpoint,
            hint="Rebuild the read model from the tape.",
        )
    last = checkpoint
    for event in batch.events:
        if event.sequence <= last:
            raise TapeGap(
                f"{name}: event {event.sequence} came behind {last}.", sequence=last, hint="Rebuild the read model."
            )
        last = event.sequence
    if batch.checkpoint.sequence != last:
        raise TapeGap(f"{name}: a batch that ends at {last} says {batch.checkpoint.sequence}.", sequence=last)
