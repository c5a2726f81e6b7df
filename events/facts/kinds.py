"""What every command and fact is, and the two answers to a command."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Fact(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    """What happened. Past tense; never refused."""


class Command(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    """What somebody wants. Imperative; answered exactly once.

    `key` is the client's idempotency key: the same key gives the same answer, however late. A command stands on
    `tape.command.<aggregate>` of the aggregate that answers it; one to a session on `tape.command.session.<session>`.
    """

    aggregate: ClassVar[str]

    key: str
    user: str
    asked: str = ""  # digest of the request that it was made of; "": it is not known


class Place(msgspec.Struct, frozen=True, order=True):
    """A row on the tape: `index` counts rows of the market section of the message at `sequence`."""

    sequence: int = 0
    index: int = 0


class CommandAccepted(Fact, frozen=True, tag="CommandAccepted"):
    """The one answer to a command that was carried out, or that found everything so already."""

    key: str
    cause: int  # sequence of the command
    session: str = ""
    id: str = ""  # of what it made or changed, where that is no session
    effective_input: int | None = None  # acts before the session input of this ordinal
    changed: bool = True
    asked: str = ""  # the command's
    order: int = 0  # number of the order by hand that it placed
    denial: str = ""  # code, where an order by hand was denied instead
    limit: float = 0.0  # the limit that the denial met, in its unit; 0: none
    sessions: tuple[str, ...] = ()  # that were chosen, where it is about several; of a start: that it replaces


class CommandRefused(Fact, frozen=True, tag="CommandRefused"):
    """The one answer to a command that was not carried out. Nothing changed."""

    key: str
    cause: int
    code: str
    message: str
    field: str | None = None
    session: str = ""
    kind: str = ""  # class of the refusal where `code` is a word of its own: NOT_FOUND, CONFLICT, ...
    asked: str = ""  # the command's


FACTS: tuple[type[Fact], ...] = (CommandAccepted, CommandRefused)
