"""Answering: appends what the aggregates decide. Any number of processes may do so at once.

All fold the same tape and propose the same answer; the fence on an aggregate's subject lets one through, and the
message id of an answer is made of its command's sequence.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import msgspec
import structlog

from engine.aggregates.aggregate import Aggregate, Answer, Folded
from events import codec
from events.clock import Clock
from events.errors import FenceLost, OperatingError
from events.facts import Fact
from events.subjects import matches
from events.tape import Append, Message, Tail, Tape

log = structlog.get_logger(__name__)


class AnsweringSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Named limits."""

    rest_seconds: float = 1.0  # before another try when the tape did not answer


class Answering:
    """Folds aggregates and answers their commands until `close`."""

    def __init__(
        self, tape: Tape, clock: Clock, aggregates: Sequence[Aggregate], settings: AnsweringSettings | None = None
    ) -> None:
        self._tape = tape
        self._clock = clock
        self._settings = settings or AnsweringSettings()
        self._all = [Folded(each) for each in aggregates]
        self._folded = 0  # sequence of the last message folded
        self._due = 0  # nothing is answered before this sequence is folded
        self._changed = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._tail: Tail | None = None

    async def start(self) -> None:
        """Fold the tape so far, then take part."""
        subjects = tuple(dict.fromkeys(subject for each in self._all for subject in each.subjects))
        lasts = [await self._tape.last(subject) for subject in subjects]
        self._due = max((last.sequence for last in lasts if last), default=0)
        self._tail = await self._tape.tail(1, self._fold, subjects=subjects)
        self._work = asyncio.create_task(self._answer_all())

    async def close(self) -> None:
        """Stop; commands are answered elsewhere, or here at the next start."""
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work
        if self._tail is not None:
            await self._tail.close()

    async def ended(self) -> None:
        """Wait until a part fails; raises what failed."""
        assert self._work is not None, "started first"
        assert self._tail is not None, "started first"
        waits = [self._work, asyncio.create_task(self._tail.ended())]
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _fold(self, message: Message) -> None:
        for each in self._all:
            if any(matches(subject, message.subject) for subject in each.subjects):
                each.note(message)
        self._folded = message.sequence
        self._changed.set()

    async def _answer_all(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._folded < self._due:
                continue
            try:
                for each in self._all:
                    await self._answer(each)
            except OperatingError as error:
                log.warning("answering_waits", error=str(error), code=error.code)
                await self._clock.sleep(self._settings.rest_seconds)
                self._changed.set()

    async def _answer(self, folded: Folded) -> None:
        """Answer the oldest open command; what it led to is folded before the next is looked at."""
        if not folded.open:
            return
        command, asked = next(iter(folded.open.values()))
        answer, facts = folded.answer(command, asked)
        try:
            sequences = await self._tape.append_atomic(self._appends(folded, answer, facts))
        except FenceLost:
            return  # another process answered: its answer is on the way
        self._due = sequences[-1]
        log.info("command_answered", sequence=asked.sequence, answer=type(answer).__name__, at=sequences[0])

    def _appends(self, folded: Folded, answer: Answer, facts: tuple[Fact, ...]) -> list[Append]:
        aggregate = folded.aggregate
        first = codec.to_append(
            answer, aggregate.subject, f"answer:{answer.cause}", expected=folded.last, fence=aggregate.subject
        )
        return [
            first,
            *(
                codec.to_append(fact, aggregate.subject_of(fact), f"answer:{answer.cause}:{number}")
                for number, fact in enumerate(facts, 1)
            ),
        ]
