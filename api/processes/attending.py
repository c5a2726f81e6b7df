"""Attending: a process carries out what the house was told, from its own start on, one thing after the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from api.lasting import forgiving
from events import codec, subjects
from events.facts import Fact
from events.tape import Message, Tail, Tape

log = structlog.get_logger(__name__)

WAITING_MAX = 64  # told and not carried out yet; beyond it the reading of the tape waits

Carry = Callable[[Fact], Awaitable[Fact | None]]  # does what a fact asks for; gives what is to be said of it


class Attending:
    """Follows the house's subject. `carry` does what concerns this process and gives what became of it."""

    def __init__(self, tape: Tape, me: str, carry: Carry) -> None:
        self._tape = tape
        self._me = me  # makes the message ids of this process its own
        self._carry = carry
        self._told: asyncio.Queue[tuple[Fact, int]] = asyncio.Queue(WAITING_MAX)
        self._tail: Tail | None = None
        self._work: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin. Raises TapeUnavailable."""
        last = (await self._tape.info()).last
        self._tail = await self._tape.tail(last + 1, forgiving("house", self._hear), subjects=(subjects.HOUSE,))
        self._work = asyncio.create_task(self._all())

    @property
    def failed(self) -> BaseException | None:
        """What ended the hearing; None while it hears."""
        return self._tail.failed if self._tail is not None else None

    async def close(self) -> None:
        """Stop; what was told and not begun is not carried out."""
        if self._tail is not None:
            await self._tail.close()
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work

    async def _hear(self, message: Message) -> None:
        body = codec.decode(message.body, message.sequence)
        if isinstance(body, Fact):
            await self._told.put((body, message.sequence))

    async def _all(self) -> None:
        while True:
            fact, sequence = await self._told.get()
            try:
                said = await self._carry(fact)
                if said is not None:
                    message_id = f"house:{sequence}:{self._me}:{getattr(said, 'model', '')}"
                    await self._tape.append(codec.to_append(said, subjects.HOUSE, message_id))
            except Exception as error:  # whatever it was, what is told next is heard
                log.error("house_order_failed", sequence=sequence, error=str(error), kind=type(error).__name__)
